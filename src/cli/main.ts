/**
 * The command line: which commands there are, and how their ends become exit codes.
 *
 * Results go to standard output, everything else to standard error; with --json both are JSON.
 */
import { Command, CommanderError } from 'commander';
import { VERSION } from '../client/version.ts';
import { addAgent } from './commands/agent.ts';
import { addBackup } from './commands/backup.ts';
import { addBroadcast } from './commands/broadcast.ts';
import { addDeadLetter } from './commands/dead-letter.ts';
import { addDoc } from './commands/doc.ts';
import { addDoctor } from './commands/doctor.ts';
import { addFleet } from './commands/fleet.ts';
import { addKey, addTenant } from './commands/key.ts';
import { addSchedule } from './commands/schedule.ts';
import { addJobs } from './commands/jobs.ts';
import { addNodes } from './commands/nodes.ts';
import { addLock } from './commands/lock.ts';
import { addObserve } from './commands/observe.ts';
import { addRule } from './commands/rule.ts';
import { addServe } from './commands/serve.ts';
import { addTask } from './commands/task.ts';
import { addTopic } from './commands/topic.ts';
import { addWorkspace } from './commands/workspace.ts';
import { Context, type GlobalOptions } from './context.ts';
import { addDemo } from './demo/command.ts';
import { Exit, EXIT_HELP, told } from './exit.ts';
import { Output } from './output.ts';
import { durationMs } from './values.ts';

/** Runs one command; the exit code. */
export async function main(argv: readonly string[]): Promise<number> {
  const program = new Command('muster');
  const dashes = argv.includes('--') ? argv.indexOf('--') : argv.length;
  const context = new Context(() => program.opts<GlobalOptions>(), argv.slice(dashes + 1));
  describe(program);
  addServe(program, context);
  addDemo(program, context);
  addAgent(program, context);
  addFleet(program, context);
  addTask(program, context);
  addSchedule(program, context);
  addObserve(program, context);
  addDeadLetter(program, context);
  addRule(program, context);
  addLock(program, context);
  addDoctor(program, context);
  addBackup(program, context);
  addJobs(program, context);
  addNodes(program, context);
  addWorkspace(program, context);
  addDoc(program, context);
  addTopic(program, context);
  addBroadcast(program, context);
  addKey(program, context);
  addTenant(program, context);
  const json = argv.slice(0, dashes).includes('--json');
  for (const command of every(program)) {
    command.exitOverride();
    // Faults of the command line are told below, like all others.
    command.configureOutput({ outputError: () => undefined });
  }
  try {
    await program.parseAsync(argv, { from: 'user' });
    return context.exit;
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return Exit.OK;
    if (error instanceof CommanderError && error.code === 'commander.help') return Exit.USAGE;
    const fault =
      error instanceof CommanderError
        ? { code: 'USAGE', message: error.message.replace(/^error: /, ''), exit: Exit.USAGE }
        : told(error);
    new Output(json).error(fault);
    return fault.exit;
  }
}

function describe(program: Command): void {
  program
    .description('Muster: agents are pushed their tasks, and nothing is lost')
    .version(VERSION)
    .option('--url <url>', 'server (default: MUSTER_URL, the data directory, ws://127.0.0.1:7420)')
    .option('--key <key>', 'key (default: MUSTER_KEY, the data directory)')
    .option('--data <folder>', 'data directory of a server on this machine (default: MUSTER_DATA, ./muster-data)')
    .option(
      '--connect-timeout <duration>',
      'how long to look for the server (default: 10s; an agent never gives up)',
      durationMs,
    )
    .option('--json', 'results as JSON on standard output, errors as JSON on standard error')
    .configureHelp({ showGlobalOptions: true })
    .showHelpAfterError(false)
    .addHelpText('after', EXIT_HELP);
}

function every(command: Command): Command[] {
  return [command, ...command.commands.flatMap((one) => every(one))];
}
