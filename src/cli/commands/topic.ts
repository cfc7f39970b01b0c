/** `muster topic …`: what is said on topics. */
import type { Command } from 'commander';
import type { Client, Params, Push, Results, Value } from '../../client/node.ts';
import type { Context } from '../context.ts';
import { CliError, Exit, usage } from '../exit.ts';
import { toJson } from '../output.ts';
import { jsonValue, oneOf, wholeNumber } from '../values.ts';

interface PublishFlags {
  readonly text?: string;
  readonly kind?: NonNullable<Params['topic.publish']['kind']>;
  readonly latestKey?: string;
}

interface ListenFlags {
  readonly since?: number;
  readonly count?: number;
}

/** Something that was said. */
interface Said {
  readonly rev?: number;
  readonly e: string;
  readonly t: string;
  readonly d: Value;
}

/** Said while what is older is still read: more than this ends the command. */
const HELD_MAX = 10_000;

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
    .action((topics: string[], flags: ListenFlags) => context.run(() => listen(topics, flags, context)));
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

async function listen(topics: readonly string[], flags: ListenFlags, context: Context): Promise<void> {
  const stopped = context.untilStopped();
  await context.with(async (client) => {
    const heard = new Heard(flags, context);
    client.on('push', ({ event: e, topic: t, data: d, rev }: Push) => {
      if (t !== undefined) heard.now({ ...(rev === undefined ? {} : { rev }), e, t, d });
    });
    client.on('gap', () => heard.lost());
    for (const topic of topics) await subscribe(client, { topic, since: flags.since }, heard);
    heard.caughtUp();
    const ended = await Promise.race([stopped, heard.enough, client.whenClosed()]);
    if (ended instanceof Error) throw ended;
  });
}

/** `missed` of every topic comes in order, that of several topics topic by topic. */
async function subscribe(
  client: Client,
  { topic, since }: { readonly topic: string; readonly since: number | undefined },
  heard: Heard,
): Promise<void> {
  const told = await client.topic.subscribe({ topic, ...(since === undefined ? {} : { since }) });
  for (const { topic: t = topic, data } of told.latest ?? []) heard.before({ e: 'latest', t, d: data });
  for (let page: Results['topic.subscribe'] = told; ;) {
    for (const { rev, e, t = topic, d } of page.missed ?? []) heard.before({ rev, e, t, d });
    const { until } = page;
    if (until === undefined) {
      if (page.gap === true) heard.lost();
      return;
    }
    page = await client.topic.subscribe({ topic, since: until });
  }
}

/** Prints what was said once, what is older before what is newer. */
class Heard {
  readonly #context: Context;
  readonly #printed = new Set<number>();
  #held: Said[] | undefined = [];
  #left: number;
  #enough: () => void = () => undefined;
  #failed: (error: Error) => void = () => undefined;
  readonly enough = new Promise<void>((resolve, reject) => {
    this.#enough = resolve;
    this.#failed = reject;
  });

  constructor(flags: ListenFlags, context: Context) {
    this.#context = context;
    this.#left = flags.count ?? Infinity;
    this.enough.catch(() => undefined);
  }

  now(said: Said): void {
    if (this.#held === undefined) return this.#print(said);
    this.#held.push(said);
    if (this.#held.length > HELD_MAX) {
      this.#failed(new CliError('BEHIND', 'More is said than can be caught up with.', Exit.FAILED));
    }
  }

  /** A message that two of the topics mean is in what was missed of both. */
  before(said: Said): void {
    if (said.rev !== undefined && this.#printed.has(said.rev)) return;
    if (said.rev !== undefined) this.#printed.add(said.rev);
    this.#print(said);
  }

  lost(): void {
    this.#context.output.note('some of what was said is no longer kept');
  }

  caughtUp(): void {
    for (const said of this.#held ?? []) if (said.rev === undefined || !this.#printed.has(said.rev)) this.#print(said);
    this.#held = undefined;
    this.#printed.clear();
  }

  #print(said: Said): void {
    if (this.#left <= 0) return;
    this.#context.output.result(said, () => `${said.t}  ${said.e}  ${toJson(said.d)}`);
    this.#left -= 1;
    if (this.#left <= 0) this.#enough();
  }
}
