/**
 * After every test file: what it opened is closed again. A server, socket, timer, child process or worker thread
 * that outlives the file fails it, since it would outlive its owner in production too.
 */
import { subscribe } from 'node:diagnostics_channel';
import type { Worker } from 'node:worker_threads';
import { afterAll, beforeAll, expect } from 'vitest';

/** Closing takes a few turns of the event loop; what is still there after so long was not being closed. */
const patienceMs = 1_000;

interface Seen {
  readonly timers: Set<NodeJS.Timeout>;
  readonly workers: Set<Worker>;
}

/** Test files that share a process load this anew, and see what the first of them began to see. */
const SEEN = Symbol.for('muster.test.leaks');
const shared: typeof globalThis & { [SEEN]?: Seen } = globalThis;
const known = shared[SEEN];
/** The runner has timers of its own, made before this file: only later ones are seen here. */
const { timers, workers } = (shared[SEEN] ??= { timers: new Set(), workers: new Set() });
let before: string[] = [];

function watchTimers(): void {
  const { setTimeout, setInterval, clearTimeout, clearInterval } = globalThis;
  const once = (fn: (...args: unknown[]) => void, ms?: number, ...args: unknown[]): NodeJS.Timeout => {
    const timer = setTimeout(() => {
      timers.delete(timer);
      fn(...args);
    }, ms);
    timers.add(timer);
    return timer;
  };
  const repeated = (fn: (...args: unknown[]) => void, ms?: number, ...args: unknown[]): NodeJS.Timeout => {
    const timer = setInterval(fn, ms, ...args);
    timers.add(timer);
    return timer;
  };
  const cleared = (clear: typeof clearTimeout) => (timer: Parameters<typeof clearTimeout>[0]) => {
    if (typeof timer === 'object') timers.delete(timer);
    clear(timer);
  };
  Object.defineProperties(once, Object.getOwnPropertyDescriptors(setTimeout));
  Object.assign(globalThis, {
    setTimeout: once,
    setInterval: repeated,
    clearTimeout: cleared(clearTimeout),
    clearInterval: cleared(clearInterval),
  });
}

function open(): string[] {
  const handles = new Set(['TCPServerWrap', 'TCPSocketWrap', 'ProcessWrap']);
  return [
    ...process.getActiveResourcesInfo().filter((name) => handles.has(name)),
    ...[...timers].filter((timer) => timer.hasRef()).map(() => 'Timeout'),
    ...[...workers].map(() => 'Worker'),
  ];
}

/** What is open now and was not before the file's first test. */
function leaked(): string[] {
  const rest = [...before];
  return open().filter((name) => {
    const found = rest.indexOf(name);
    if (found >= 0) rest.splice(found, 1);
    return found < 0;
  });
}

if (known === undefined) {
  watchTimers();
  subscribe('worker_threads', (message) => {
    const { worker } = message as { worker: Worker };
    workers.add(worker);
    worker.once('exit', () => workers.delete(worker));
  });
}

beforeAll(() => {
  before = open();
});

afterAll(async () => {
  const start = performance.now();
  while (leaked().length > 0 && performance.now() - start < patienceMs) {
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(leaked(), 'left open at the end of this test file: close it in the test or in afterEach').toEqual([]);
});
