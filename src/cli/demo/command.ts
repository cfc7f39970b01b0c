/** `muster demo`, and the agents that it starts. */
import type { Command } from 'commander';
import type { Context } from '../context.ts';
import { usage } from '../exit.ts';
import { wholeNumber } from '../values.ts';
import { runDemoAgent, type DemoAgentFlags } from './agent.ts';
import { runDemo } from './run.ts';

interface Flags {
  readonly files: number;
  readonly keep?: boolean;
}

const FILES = 200;

export function addDemo(program: Command, context: Context): void {
  program
    .command('demo')
    .description(
      'a server and three agents work on the files of a folder; one agent and the server are killed meanwhile',
    )
    .argument('[folder]', 'whose files are hashed, counted and compressed', '.')
    .option('--files <n>', 'how many files at most', wholeNumber, FILES)
    .option('--keep', 'keep the temporary directory with the data and the logs')
    .action((folder: string, flags: Flags) =>
      context.run(async () => {
        if (flags.files === 0) throw usage('--files must be at least 1.');
        await runDemo({ folder, files: flags.files, keep: flags.keep ?? false }, context);
      }),
    );
  program
    .command('demo-agent', { hidden: true })
    .requiredOption('--name <name>')
    .requiredOption('--capacity <n>', '', wholeNumber)
    .requiredOption('--folder <folder>')
    .requiredOption('--journal <file>')
    .requiredOption('--outbox <file>')
    .action((flags: DemoAgentFlags) => context.run(() => runDemoAgent(flags, context)));
}
