/** `muster topic …`: what is said on topics. */
import type { Command } from 'commander';
import type { Params } from '../../client/node.ts';
import type { Context } from '../context.ts';
import { usage } from '../exit.ts';
import { follow, type FollowFlags } from '../listening.ts';
import { jsonValue, oneOf, wholeNumber } from '../values.ts';

interface PublishFlags {
  readonly text?: string;
  readonly kind?: NonNullable<Params['topic.publish']['kind']>;
  readonly latestKey?: string;
}

export function addTopic(program: Command, context: Context): void {
  const topic = program.command('topic').description('what is said on topics');
  topic
    .command('publish')
    .description('say something to those who listen')
    .argument('<topic>')
    .argument('[value]', 'what is said: JSON, @FILE or - for standard input')
    .option('--text <text>', 'what is said, as text')
    .option('--kind <kind>', 'reliable, latest or ephemeral', oneOf('reliable', 'latest', 'ephemeral'))
    .option('--latest-key <key>', 'with kind latest: of which value this is the newest')
    .action((name: string, value: string | undefined, flags: PublishFlags) =>
      context.run(() => publish({ topic: name, value, ...flags }, context)),
    );
  topic
    .command('listen')
    .description('print what is said on topics and patterns (build.*, task.>), until it is stopped')
    .argument('<topics...>')
    .option('--since <rev>', 'what was said after this position too', wholeNumber)
    .option('--count <n>', 'end after so many', wholeNumber)
    .action((topics: string[], flags: FollowFlags) => context.run(() => follow(topics, flags, context)));
  program
    .command('watch')
    .description(
      'follow topics and patterns (build.*, task.>): what is kept of what was said, and what is said, until it is stopped',
    )
    .argument('<topics...>')
    .option('--since <rev>', 'only what was said after this position', wholeNumber)
    .option('--new', 'only what is said from now on')
    .option('--count <n>', 'end after so many', wholeNumber)
    .action((topics: string[], { new: onlyNew, ...flags }: FollowFlags & { readonly new?: boolean }) =>
      context.run(() => {
        if (onlyNew === true && flags.since !== undefined) throw usage('Say --since or --new, not both.');
        const since = onlyNew === true ? undefined : (flags.since ?? 0);
        return follow(topics, { ...flags, since, again: true }, context);
      }),
    );
}

async function publish(
  said: PublishFlags & { readonly topic: string; readonly value: string | undefined },
  context: Context,
): Promise<void> {
  const { topic, value, text, kind, latestKey } = said;
  if ((value === undefined) === (text === undefined)) throw usage('Say a value in JSON, or text by --text.');
  const params = {
    topic,
    data: value === undefined ? (text ?? '') : jsonValue(value),
    ...(kind === undefined ? {} : { kind }),
    ...(latestKey === undefined ? {} : { key: latestKey }),
  };
  await context.with(async (client) => {
    const published = await client.topic.publish(params);
    context.output.result(published, () => `said at ${published.rev}`);
  });
}
