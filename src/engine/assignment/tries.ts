/** How many agents or tasks a search may still try with filters that read the task, and where it stopped. */
import { LIMITS } from '../../../protocol/wire/limits.ts';
import type { Urgent } from '../records.ts';

/** Tasks of groups that are not the agent's are passed over for less. */
const LOOKED_AT = 1_024;

export class Tries {
  /** Among tasks: the last that was looked at, if the search has not come to its end. */
  after: Urgent | undefined;
  /** Among agents: there are more than were tried. */
  more = false;
  #left: number = LIMITS.ruleTriesMax;
  #look = LOOKED_AT;

  constructor(after?: Urgent) {
    this.after = after;
  }

  /** False: none is left. */
  take(): boolean {
    if (this.#left === 0) return false;
    this.#left -= 1;
    return true;
  }

  look(): boolean {
    if (this.#look === 0) return false;
    this.#look -= 1;
    return true;
  }
}
