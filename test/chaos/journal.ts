/**
 * What the processes of a chaos run write down, one JSON line per fact, in a file of their own.
 *
 * Owns: the kinds of lines, writing them, reading them back.
 * Does not own: what they prove (checker.ts).
 *
 * J1 A line is handed to the kernel before the fact's consequences: `start` before the work, `end` before the
 *    result is sent. It survives `kill -9` of its writer; it need not survive the machine.
 * J2 Only the last line of a file may be torn; a torn line elsewhere is an error.
 */
import { closeSync, openSync, readFileSync, readdirSync, writeSync } from 'node:fs';
import { basename, join } from 'node:path';
import { z } from 'zod';

/** ms of the clock that all processes share. */
const at = z.number();

const lineSchema = z.discriminatedUnion('kind', [
  /** A process of agents began; `life` names this incarnation of it. */
  z.object({
    kind: z.literal('born'),
    at,
    life: z.string(),
    agents: z.array(z.object({ name: z.string(), capacity: z.number(), zone: z.string().optional() })),
  }),
  /** The process was killed: the runner sent the signal at `killedAt` and has seen it end at `at`. */
  z.object({ kind: z.literal('died'), at, killedAt: z.number(), life: z.string() }),
  /** An agent's session has a connection. */
  z.object({
    kind: z.literal('up'),
    at,
    life: z.string(),
    agent: z.string(),
    resumed: z.boolean(),
  }),
  /** The agent has noticed that its connection is gone. */
  z.object({ kind: z.literal('down'), at, life: z.string(), agent: z.string() }),
  z.object({
    kind: z.literal('start'),
    at,
    life: z.string(),
    agent: z.string(),
    task: z.string(),
    token: z.string(),
    attempt: z.number(),
    /** The step of the checkpoint that it was given. */
    step: z.number().optional(),
  }),
  z.object({
    kind: z.literal('end'),
    at,
    life: z.string(),
    agent: z.string(),
    task: z.string(),
    token: z.string(),
    /** `stopped`: the server took the task away. */
    outcome: z.enum(['completed', 'failed', 'stopped']),
  }),
  /** The server consented to a checkpoint. */
  z.object({
    kind: z.literal('saved'),
    at,
    life: z.string(),
    agent: z.string(),
    task: z.string(),
    token: z.string(),
    step: z.number(),
  }),
  /** A message came into a running task. */
  z.object({
    kind: z.literal('heard'),
    at,
    life: z.string(),
    agent: z.string(),
    task: z.string(),
    token: z.string(),
    message: z.number(),
  }),
  z.object({ kind: z.literal('submitted'), at, number: z.number(), delayMs: z.number().optional() }),
  /** The submitter's request was answered with this id. */
  z.object({ kind: z.literal('created'), at, number: z.number(), task: z.string() }),
  /** The submitter was answered that it is cancelled. */
  z.object({ kind: z.literal('cancelled'), at, number: z.number(), task: z.string() }),
  /** The submitter was told that the task has ended; absent: completed. */
  z.object({ kind: z.literal('told'), at, number: z.number(), task: z.string(), status: z.string().optional() }),
  /** The submitter's session has a connection; not resumed: events may have been missed. */
  z.object({ kind: z.literal('submitterUp'), at, submitter: z.string(), resumed: z.boolean() }),
  /** A frame with a position, as it passed the wire to a client. */
  z.object({
    kind: z.literal('wire'),
    at,
    connection: z.string(),
    frame: z.enum(['welcome', 'push', 'ping']),
    rev: z.number(),
    event: z.string().optional(),
    task: z.string().optional(),
    /** Of an order to an agent. */
    token: z.string().optional(),
  }),
  /** The server's consent to `task.complete`, as it passed the wire, whether or not it reached the client. */
  z.object({ kind: z.literal('accepted'), at, connection: z.string(), task: z.string(), token: z.string() }),
  /** Something that must not happen at all: an unreadable frame, a refused creation, a client that gave up. */
  z.object({ kind: z.literal('fault'), at, by: z.string(), message: z.string() }),
  /** What the server answers about a task when all is over. */
  z.object({
    kind: z.literal('final'),
    task: z.string(),
    number: z.number(),
    /** Of a part of a whole. */
    part: z.number().optional(),
    status: z.string(),
    attempt: z.number(),
    /** It is a dead letter. */
    dead: z.boolean().optional(),
    /** What it was answered to its question. */
    answer: z.string().optional(),
    /** Life and token of the execution whose output is the result. */
    by: z.object({ life: z.string(), token: z.string() }).optional(),
  }),
]);

export type Line = z.infer<typeof lineSchema>;
export type LineOf<K extends Line['kind']> = Extract<Line, { readonly kind: K }>;

export function only<K extends Line['kind']>(lines: readonly Line[], kind: K): readonly LineOf<K>[] {
  return lines.filter((line): line is LineOf<K> => line.kind === kind);
}

export class JournalWriter {
  readonly #file: number;

  constructor(path: string) {
    this.#file = openSync(path, 'a');
  }

  write(line: Line): void {
    writeSync(this.#file, `${JSON.stringify(line)}\n`);
  }

  close(): void {
    closeSync(this.#file);
  }
}

export const JOURNAL_SUFFIX = '.journal';

/** Every line of every journal in the directory. */
export function readJournals(dir: string): readonly Line[] {
  return readdirSync(dir)
    .filter((name) => name.endsWith(JOURNAL_SUFFIX))
    .sort()
    .flatMap((name) => parseJournal(readFileSync(join(dir, name), 'utf8'), basename(name)));
}

export function parseJournal(text: string, name: string): readonly Line[] {
  const rows = text.split('\n');
  const torn = rows.pop();
  const lines = rows.map((row, index) => {
    const parsed = lineSchema.safeParse(parseRow(row));
    if (!parsed.success) throw new Error(`${name}: line ${index + 1} is not a journal line: ${row}`);
    return parsed.data;
  });
  // J2: what follows the last newline was being written when the process was killed.
  if (torn !== undefined && torn !== '') {
    const last = lineSchema.safeParse(parseRow(torn));
    if (last.success) lines.push(last.data);
  }
  return lines;
}

function parseRow(row: string): unknown {
  try {
    return JSON.parse(row);
  } catch {
    return undefined;
  }
}
