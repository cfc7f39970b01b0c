/**
 * The version of the engine under which a tenant is decided, as this node raises it.
 *
 * UP1 Each step is an entry; the last is the newest that this build and every node beside it know, which Redis decides.
 */
import type { Beside } from './beside.ts';

export interface UpgradesParts {
  /** To which this build goes. */
  readonly newest: number;
  /** That of the state. */
  readonly now: () => number;
  /** Undefined: no other node serves the tenant. */
  readonly beside: Beside | undefined;
  /** Says that the state goes over to `version`; told whether it has. */
  readonly submit: (version: number, told: (ok: boolean) => void) => void;
}

export class Upgrades {
  readonly #parts: UpgradesParts;
  #upgrading = false;

  constructor(parts: UpgradesParts) {
    this.#parts = parts;
  }

  /** `done` when nothing more can be done now. */
  begin(done: () => void): void {
    const { newest, now, beside } = this.#parts;
    if (this.#upgrading || now() >= newest) return done();
    this.#upgrading = true;
    const ended = (): void => {
      this.#upgrading = false;
      done();
    };
    if (beside === undefined) this.#upTo(newest, ended);
    else beside.raise(newest, (most) => this.#upTo(most, ended));
  }

  /** UP1 */
  #upTo(newest: number, done: () => void): void {
    const { now, submit } = this.#parts;
    if (now() >= newest) return done();
    submit(now() + 1, (ok) => {
      if (ok) this.#upTo(newest, done);
      else done();
    });
  }
}
