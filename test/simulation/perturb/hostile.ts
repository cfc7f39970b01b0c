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

/**
 * By assignment where that is possible, so that the object keeps its shape: a prototype of which a member was defined anew
 * is a dictionary from then on, and every call of any of its methods, for as long as the process lives, several times as slow.
 */
function isAssigned({ of, descriptor }: Kept): boolean {
  return of !== globalThis && of !== process && descriptor.writable === true && typeof descriptor.value === 'function';
}

function refuse(all: readonly Kept[]): void {
  for (const kept of all) {
    const { of, member, descriptor } = kept;
    const get = (): never => {
      throw new AskedElsewhere(`asked for ${member}`);
    };
    if (isAssigned(kept)) Reflect.set(of, member, get);
    else Object.defineProperty(of, member, { configurable: true, enumerable: descriptor.enumerable ?? false, get });
  }
}

function giveBack(all: readonly Kept[]): void {
  for (const kept of all) {
    const { of, member, descriptor } = kept;
    if (isAssigned(kept)) Reflect.set(of, member, descriptor.value);
    else Object.defineProperty(of, member, descriptor);
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
    giveBack(kept);
  }
}
