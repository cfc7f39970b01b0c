/**
 * A place without a clock, chance, zone, language or timers: whoever asks for one of them meets an exception.
 *
 * What is decided in an entry comes of the state and the entry alone, so that it is decided alike everywhere. A rule of the
 * linter keeps these names out of the engine's own files; here it is seen what the engine reaches in the end.
 */
import { performance } from 'node:perf_hooks';

/** Somebody asked for what is another elsewhere. */
export class AskedElsewhere extends Error {
  override readonly name = 'AskedElsewhere';
}

const GLOBALS = [
  ...['Date', 'Intl', 'crypto', 'performance', 'WeakRef', 'FinalizationRegistry'],
  ...['setTimeout', 'setInterval', 'setImmediate', 'queueMicrotask'],
];

/** Members of objects. */
const MEMBERS: readonly (readonly [of: object, members: readonly string[]])[] = [
  [Math, ['random', 'pow', 'exp', 'log', 'sin', 'cos', 'tan']],
  [performance, ['now']],
  [process, ['env', 'hrtime', 'uptime', 'memoryUsage', 'nextTick']],
  [String.prototype, ['localeCompare', 'normalize', 'toLocaleLowerCase', 'toLocaleUpperCase']],
  [Number.prototype, ['toLocaleString']],
  [Array.prototype, ['toLocaleString']],
];

interface Kept {
  readonly of: object;
  readonly member: string;
  readonly descriptor: PropertyDescriptor;
}

function refuse(kept: readonly Kept[]): void {
  for (const { of, member, descriptor } of kept) {
    const get = (): never => {
      throw new AskedElsewhere(`asked for ${member}`);
    };
    Object.defineProperty(of, member, { configurable: true, enumerable: descriptor.enumerable ?? false, get });
  }
}

/** Runs something there. */
export function elsewhere<T>(fn: () => T): T {
  const all: (readonly [of: object, member: string])[] = [
    ...GLOBALS.map((name) => [globalThis, name] as const),
    ...MEMBERS.flatMap(([of, members]) => members.map((member) => [of, member] as const)),
  ];
  const kept = all.flatMap(([of, member]): Kept[] => {
    const descriptor = Object.getOwnPropertyDescriptor(of, member);
    return descriptor?.configurable === true ? [{ of, member, descriptor }] : [];
  });
  refuse(kept);
  try {
    return fn();
  } finally {
    for (const { of, member, descriptor } of kept) Object.defineProperty(of, member, descriptor);
  }
}
