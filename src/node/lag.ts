/** How far this node is behind a log that others append to as well. */

export class Lag {
  #applied = 0;
  #head = 0;
  /** An entry that is known to be in the log and was not applied when it became known. */
  #awaited: { readonly seq: number; readonly since: number } | undefined;
  /** So long the last such entry took. */
  #tookMs = 0;

  /** The log is known to have entries up to here. */
  known(seq: number, at: number): void {
    this.#head = Math.max(this.#head, seq);
    if (seq > this.#applied) this.#awaited ??= { seq, since: at };
  }

  applied(seq: number, at: number): void {
    this.#applied = seq;
    if (this.#awaited === undefined || seq < this.#awaited.seq) return;
    this.#tookMs = at - this.#awaited.since;
    this.#awaited = this.#head > seq ? { seq: this.#head, since: at } : undefined;
  }

  get entries(): number {
    return Math.max(0, this.#head - this.#applied);
  }

  /** For how long an entry has been waited for; while there is one, at least as long as for the one before. */
  ms(now: number): number {
    return this.#awaited === undefined ? 0 : Math.max(now - this.#awaited.since, this.#tookMs);
  }
}
