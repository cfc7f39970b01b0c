/**
 * Words of life: when each server of Redis heard of which process, by the simulator's clock, which no fault sets.
 *
 * WO1 Only what that server did counts: who spoke to another primary may be taken for dead by this one.
 */
import type { VirtualTime } from '../scheduler.ts';
import type { Write } from './redis-server.ts';

/** After so much silence a process may be taken for dead, and by one that has been connected for as long. */
const SILENCE_MS = 15_000;

export interface Early {
  /** Since it was heard of, and since whoever took it for dead was connected. */
  readonly silentMs: number;
  readonly by: string;
  readonly connectedMs: number;
}

export class Words {
  readonly #time: VirtualTime;
  readonly #heard = new Map<string, number>();
  readonly #claimed = new Map<string, number>();

  constructor(time: VirtualTime) {
    this.#time = time;
  }

  /** What a script wrote. Who said by it that it lives: that is the first thing that a beat writes. */
  heard(server: string, writes: readonly Write[]): string | undefined {
    for (const [command, key = '', ...fields] of writes) {
      if (command !== 'HSET' || !key.endsWith(':meta')) continue;
      for (let i = 0; i < fields.length; i += 2) {
        const [what, process] = named(fields[i]);
        if (what === 'seen') this.#heard.set(`${server} ${key} ${process}`, this.#time.now);
        if (what === 'pass') this.#claimed.set(`${server} ${key} ${process}`, this.#time.now);
      }
    }
    const [first] = writes;
    const [what, process] = first?.[0] === 'HSET' ? named(first[2]) : [undefined, undefined];
    return what === 'seen' ? process : undefined;
  }

  /** Undefined: it was silent for long enough, or nobody but itself, or its successor, took its name away. */
  early(
    server: string,
    of: { readonly key: string; readonly gone: string; readonly by: string | undefined },
  ): Early | undefined {
    const { key, gone, by } = of;
    if (by === undefined || by === gone) return undefined;
    const since = (when: number | undefined): number => this.#time.now - (when ?? -Infinity);
    const silentMs = since(this.#heard.get(`${server} ${key} ${gone}`));
    const connectedMs = since(this.#claimed.get(`${server} ${key} ${by}`));
    return silentMs >= SILENCE_MS && connectedMs >= SILENCE_MS ? undefined : { silentMs, by, connectedMs };
  }
}

function named(field = ''): readonly [string, string] {
  const at = field.indexOf(':');
  return at < 0 ? [field, ''] : [field.slice(0, at), field.slice(at + 1)];
}
