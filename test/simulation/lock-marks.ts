/** Counts the rare events of locks. */
import { field, text } from './checker/values.ts';
import type { MadeEntry } from './entry-marks.ts';
import type { Mark, Marks } from './marks.ts';

const LOST: { readonly [reason: string]: Mark } = {
  expired: 'lock lost: expired',
  away: 'lock lost: its owner was away',
  progressTimeout: 'lock lost: no progress',
  forced: 'lock lost: forced',
};

const REFUSED: { readonly [code: string]: Mark } = {
  WAIT_TIMEOUT: 'waited for a lock in vain',
  CANCELLED: 'request for a lock cancelled',
};

export class LockMarks {
  readonly #marks: Marks;
  /** Locks whose owner is away. */
  #grace = new Set<string>();
  #delays = 0;

  constructor(marks: Marks) {
    this.#marks = marks;
  }

  entry({ decoded, output, state, changes }: MadeEntry): void {
    for (const { kind } of output.locks ?? []) if (kind === 'passedOver') this.#marks.count('passed over while away');
    for (const [i, command] of decoded.commands.entries()) {
      if (command.kind !== 'request' || !command.method.startsWith('lock.')) continue;
      const reply = output.commands[i]?.reply;
      if (reply?.ok === true) this.#done(command.method, reply.result);
      else if (reply?.rejection.code === 'DEADLOCK') this.#marks.count('deadlock of locks found');
      else if (reply?.rejection.code === 'NOT_HELD') this.#marks.count('lock named that is not held');
    }
    for (const { event, topic, data } of output.pushes) {
      if (topic !== undefined || !event.startsWith('lock.')) continue;
      if (event === 'lock.granted') this.#marks.count('lock granted after a wait');
      if (event === 'lock.revokeRequested') this.#marks.count('lock asked back');
      const mark = LOST[text(data, 'reason') ?? ''] ?? REFUSED[text(data, 'code') ?? ''];
      if (mark !== undefined) this.#marks.count(mark);
      if (text(data, 'code') === 'DEADLOCK') this.#marks.count('deadlock of locks found');
    }
    if (changes.locks) this.#looked(state);
  }

  #done(method: string, result: unknown): void {
    if (method === 'lock.convert') this.#marks.count('lock converted');
    const lock = field(result, 'lock');
    if (method === 'lock.acquireAll' && lock !== undefined) this.#marks.count('several paths locked');
    if (method === 'lock.acquire' && Number(field(lock, 'count')) > 1) this.#marks.count('lock acquired once more');
  }

  #looked({ locks, lockOwners, lockDelays }: MadeEntry['state']): void {
    const grace = new Set<string>();
    for (const { id, owner } of locks.hold()) {
      const away = lockOwners.get(owner)?.awaySince !== undefined;
      if (away) grace.add(id);
      else if (this.#grace.has(id)) this.#marks.count('lock kept through an absence');
    }
    this.#grace = grace;
    if (lockDelays.size > this.#delays) this.#marks.count('lost lock kept from others');
    this.#delays = lockDelays.size;
  }
}
