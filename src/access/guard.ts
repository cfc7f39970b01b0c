/**
 * Slows down whoever keeps presenting credentials that are not valid.
 *
 * Owns: a bounded count of failures per remote address. Does not own: the decision whether a credential is valid,
 * and it never stops one that is: a neighbour behind the same address must not notice.
 *
 * G1 At most `LIMITS.authAddressesMax` addresses are remembered; the one whose last failure is oldest is forgotten.
 * G2 The delay of an answer never exceeds `LIMITS.authDelayMsMax`.
 */
import { LIMITS } from '../../protocol/wire/limits.ts';
import { addressGroup } from '../base/address.ts';

interface Failures {
  count: number;
  /** Wall ms of the newest. */
  at: number;
}

export class AttemptGuard {
  readonly #now: () => number;
  /** In order of the newest failure. */
  readonly #byAddress = new Map<string, Failures>();

  /** `now` is any clock in ms. */
  constructor(now: () => number) {
    this.#now = now;
  }

  get size(): number {
    return this.#byAddress.size;
  }

  /** Counts a failure of `address`; the answer is to be held back for so many ms. */
  failed(remote: string): number {
    const address = addressGroup(remote);
    const now = this.#now();
    const known = this.#byAddress.get(address);
    const failures = known !== undefined && now - known.at < LIMITS.authWindowMs ? known : { count: 0, at: now };
    failures.count += 1;
    failures.at = now;
    this.#byAddress.delete(address);
    this.#byAddress.set(address, failures);
    if (this.#byAddress.size > LIMITS.authAddressesMax) this.#forgetOldest();
    const over = failures.count - LIMITS.authFailuresFree;
    if (over <= 0) return 0;
    return Math.min(LIMITS.authDelayMs * 2 ** Math.min(over - 1, 30), LIMITS.authDelayMsMax);
  }

  #forgetOldest(): void {
    for (const address of this.#byAddress.keys()) {
      this.#byAddress.delete(address);
      return;
    }
  }
}
