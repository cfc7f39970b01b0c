/**
 * What the agents themselves say that they did: one line per start and end of an execution, written before anything
 * else happens, so that a killed agent's journal tells how far it was.
 */
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';

export interface JournalLine {
  /** Wall ms; all processes are on one machine. */
  readonly at: number;
  readonly agent: string;
  readonly pid: number;
  readonly task: string;
  readonly token: string;
  readonly what: 'start' | 'end';
}

export class JournalWriter {
  readonly #fd: number;
  readonly #agent: string;

  constructor(path: string, agent: string) {
    this.#fd = openSync(path, 'a', 0o600);
    this.#agent = agent;
  }

  write(what: JournalLine['what'], task: string, token: string): void {
    const line: JournalLine = { at: Date.now(), agent: this.#agent, pid: process.pid, task, token, what };
    writeSync(this.#fd, `${JSON.stringify(line)}\n`);
  }

  close(): void {
    closeSync(this.#fd);
  }
}

/** So far back an execution is looked for that has not ended. */
const RECENT_LINES = 16;

/** Whether the process has begun something of late that it has not ended. */
export function isAtWork(path: string, pid: number): boolean {
  const open = new Set<string>();
  for (const { pid: by, task, token, what } of linesOf(path).slice(-RECENT_LINES).map(parsed)) {
    if (by !== pid) continue;
    if (what === 'start') open.add(`${task} ${token}`);
    else open.delete(`${task} ${token}`);
  }
  return open.size > 0;
}

/** A last line that was not written to its end is left out. */
export function readJournal(path: string): readonly JournalLine[] {
  return linesOf(path).map(parsed);
}

function linesOf(path: string): readonly string[] {
  return readFileSync(path, 'utf8').split('\n').slice(0, -1);
}

function parsed(line: string): JournalLine {
  return JSON.parse(line) as JournalLine;
}
