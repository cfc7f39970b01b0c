/** `muster agent`: makes any program an agent. */
import { join } from 'node:path';
import type { Command } from 'commander';
import type { AgentShape, Client, ClientWarning, ConnectionState, Outage } from '../../client/node.ts';
import type { Context } from '../context.ts';
import { signalExit, STOPS } from '../context.ts';
import { dataFolder } from '../discovery.ts';
import { durationMs, oneOf, pairs, several, wholeNumber } from '../values.ts';
import { Leftovers } from '../agent/leftovers.ts';
import { findProgram } from '../agent/find-program.ts';
import { runProgram, type ProgramOptions } from '../agent/program.ts';

interface Flags {
  readonly name: string;
  readonly capability: readonly string[];
  readonly capacity: number;
  readonly instance?: string;
  readonly type?: string;
  readonly label?: readonly string[];
  readonly cost?: number;
  readonly onLost?: NonNullable<AgentShape['onLost']>;
  readonly outbox?: string;
  readonly killAfter: number;
  readonly finalExit?: readonly string[];
}

const KILL_AFTER_MS = 5_000;

export function addAgent(program: Command, context: Context): void {
  program
    .command('agent')
    .description('make any program an agent: it is run once per task')
    .usage('--name <name> --capability <capability...> [options] -- program [args...]')
    .argument('<program>', 'gets the task as JSON on its standard input')
    .argument('[args...]')
    .requiredOption('--name <name>', 'name of the agent')
    .requiredOption('--capability <capability...>', 'what it can do; a task needs its type unless it says otherwise')
    .option('--capacity <n>', 'how many tasks at a time', wholeNumber, 1)
    .option('--instance <name>', 'tells several copies of one agent apart')
    .option('--type <type>', 'kind of agent, for people')
    .option('--label <name=value>', 'label; may be repeated', several)
    .option('--cost <n>', 'micro-units per task', wholeNumber)
    .option(
      '--on-lost <what>',
      'when it is lost for longer than its lease: requeue, hold or fail its tasks',
      oneOf('requeue', 'hold', 'fail'),
    )
    .option('--outbox <file>', 'keeps results until the server has them (default <data>/agents/<name>.outbox)')
    .option(
      '--kill-after <duration>',
      'from SIGTERM to SIGKILL for a program that must stop',
      durationMs,
      KILL_AFTER_MS,
    )
    .option('--final-exit <code...>', 'exit codes after which a task is not tried again')
    .addHelpText('after', HELP)
    .action((file: string, args: string[], flags: Flags) =>
      context.run(() => runAgent([file, ...args], flags, context)),
    );
}

const HELP = `
The program finds its task as JSON on standard input and in MUSTER_TASK_ID, MUSTER_TASK_TYPE, MUSTER_TASK_TOKEN and
MUSTER_TASK_ATTEMPT. Lines "::progress 40 text" on its output are progress; the rest of its output is the result, as
JSON if it parses. Exit code 0 completes the task, any other fails the attempt.
SIGTERM lets running tasks end and takes no more; a second one stops them and gives them back.`;

async function runAgent(command: readonly string[], flags: Flags, context: Context): Promise<void> {
  const [program = '', ...args] = command;
  findProgram(program);
  const outbox = flags.outbox ?? defaultOutbox(flags, context);
  const agent = shapeOf(flags);
  const reporter = new Reporter(context);
  const client = await context.connect({
    agent,
    outbox,
    name: 'muster-agent',
    connectTimeoutMs: 0,
    onState: (state, outage) => reporter.state(state, outage),
  });
  const leftovers = new Leftovers(outbox);
  const ended = leftovers.endAll();
  if (ended > 0)
    reporter.tell('leftovers', { ended }, `ended ${ended} programs that the agent before had left running`);
  const options: ProgramOptions = {
    program,
    args,
    killAfterMs: flags.killAfter,
    finalExits: (flags.finalExit ?? []).map(wholeNumber),
    leftovers,
    diagnostics: (bytes) => context.output.pass(bytes),
  };
  client.on('warning', (warning) => reporter.warning(warning));
  client.agent.handle('*', async (task, taskContext) => {
    reporter.tell(
      'started',
      { task: task.id, type: task.type, attempt: taskContext.attempt },
      `${task.id}  started  ${task.type}, attempt ${taskContext.attempt}`,
    );
    try {
      const output = await runProgram(task, taskContext, options);
      reporter.tell('completed', { task: task.id }, `${task.id}  completed`);
      return output;
    } catch (error) {
      const [first = ''] = (error instanceof Error ? error.message : String(error)).split('\n');
      reporter.tell('failed', { task: task.id, message: first }, `${task.id}  failed  ${first}`);
      throw error;
    }
  });
  reporter.tell(
    'online',
    { agent: client.agentId, url: client.url, outbox },
    `agent ${agent.name} serves ${client.url} as ${client.agentId ?? 'nobody'}, ${agent.capacity ?? 1} at a time`,
  );
  await untilEnd(client, reporter);
  leftovers.close();
}

function defaultOutbox(flags: Flags, context: Context): string {
  const safe = (text: string): string => encodeURIComponent(text).replaceAll('.', '%2E');
  const file = flags.instance === undefined ? safe(flags.name) : `${safe(flags.name)}.${safe(flags.instance)}`;
  return join(dataFolder(context.server, process.env), 'agents', `${file}.outbox`);
}

function shapeOf(flags: Flags): AgentShape {
  const { name, capability, capacity, instance, type, label, cost, onLost } = flags;
  return {
    name,
    capabilities: capability,
    capacity,
    ...(instance === undefined ? {} : { instance }),
    ...(type === undefined ? {} : { type }),
    ...(label === undefined ? {} : { labels: pairs(label) }),
    ...(cost === undefined ? {} : { cost }),
    ...(onLost === undefined ? {} : { onLost }),
  };
}

/** First signal: drain. Second: stop what runs. Third: leave. */
async function untilEnd(client: Client, reporter: Reporter): Promise<void> {
  let signals = 0;
  const onSignal = (signal: NodeJS.Signals): void => {
    signals += 1;
    if (signals === 1) {
      reporter.tell('draining', {}, 'draining: what runs goes on to its end; once more to stop it');
      void client.close({ drain: true });
    } else if (signals === 2) void client.close({ drain: false, timeoutMs: 2 * KILL_AFTER_MS });
    else process.exit(signalExit(signal));
  };
  for (const name of STOPS) process.on(name, onSignal);
  const error = await client.whenClosed();
  for (const name of STOPS) process.off(name, onSignal);
  if (error !== undefined) throw error;
}

class Reporter {
  readonly #context: Context;
  #wasOffline = false;

  constructor(context: Context) {
    this.#context = context;
  }

  tell(event: string, members: { readonly [member: string]: unknown }, words: string): void {
    this.#context.output.event({ event, ...members }, words);
  }

  state(state: ConnectionState, outage: Outage | undefined): void {
    if (state === 'offline' && outage !== undefined) {
      this.#wasOffline = true;
      this.tell(
        'offline',
        { ...outage },
        `offline: ${outage.message}; again in ${(outage.retryInMs / 1_000).toFixed(1)} s`,
      );
    } else if (state === 'online' && this.#wasOffline) {
      this.#wasOffline = false;
      this.tell('reconnected', {}, 'online again');
    }
  }

  warning(warning: ClientWarning): void {
    switch (warning.kind) {
      case 'refused':
        this.tell(
          'refused',
          { task: warning.task, method: warning.method, code: warning.error.code },
          `${warning.task}  the server did not take ${warning.method}: ${warning.error.code}`,
        );
        return;
      case 'lost':
        this.tell(
          'lost',
          { task: warning.task, reason: warning.reason },
          `${warning.task}  must stop: ${warning.reason}`,
        );
        return;
      case 'unhandled':
        return;
      case 'notification':
        this.tell(
          'notification',
          { id: warning.id, message: warning.message },
          `${warning.id}  was not handled: ${warning.message}`,
        );
        return;
      case 'outbox':
        this.tell('outbox', { message: warning.message }, `warning: ${warning.message}`);
    }
  }
}
