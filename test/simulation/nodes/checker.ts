/**
 * Judges the history of a run of several nodes. It knows the protocol and the promises of the log on Redis, and nothing of
 * how the product keeps them.
 *
 * CK1 The final history is what the nodes have that serve at the end. What any process applied beside it was lost.
 */
import { TAKEN_FOR_DEAD, type AppliedEvent, type NodesEvent, type StoredEvent } from './history.ts';
import type { NodesInvariant, NodesViolation } from './invariants.ts';
import { judgePrograms } from './program-checker.ts';

/** A fault that says that the log is not the one that was read. */
const OF_LOSS: ReadonlySet<string> = new Set(['FORK', 'TRUNCATED', 'WRONG_LOG', 'GAP', 'CORRUPT']);
const VIOLATIONS_MAX = 20;
const TENANT = 'default';

export type Found = (invariant: NodesInvariant, message: string) => void;

/** What processes applied, sorted by whether it is there at the end. */
export interface Histories {
  /** Of the final history, by seq. */
  readonly final: ReadonlyMap<number, AppliedEvent>;
  /** Each once. */
  readonly lost: readonly AppliedEvent[];
}

export class NodesChecker {
  readonly #violations: NodesViolation[] = [];
  readonly #events: NodesEvent[] = [];
  /** The newest entry of each process and tenant. */
  readonly #heads = new Map<string, AppliedEvent>();
  /** By the chain after an entry: the entry before it. What a process began with a snapshot of, others have read. */
  readonly #before = new Map<string, AppliedEvent>();
  /** By the chain after an entry: what it changed, as somebody saw it who had read those before. */
  readonly #whole = new Map<string, AppliedEvent>();
  readonly #hashes = new Map<string, AppliedEvent>();
  readonly #fencedOnes = new Set<string>();
  /** At a server, which knows it. */
  readonly #fencedAt = new Set<string>();
  readonly #living = new Set<string>();
  /** Entries of which there was a snapshot. */
  readonly #snapshots = new Set<number>([0]);
  #lossy = false;
  #disturbed = false;

  add(event: NodesEvent): void {
    this.#events.push(event);
    if (event.kind === 'applied') this.#applied(event);
    else if (event.kind === 'stored') this.#stored(event);
    else if (event.kind === 'lossy') this.#lose();
    else if (event.kind === 'disturbed') this.#disturbed = true;
    else if (event.kind === 'snapshot') this.#snapshots.add(event.seq);
    else if (event.kind === 'trimmed') this.#trimmed(event);
    else if (event.kind === 'early') this.#early(event);
    else if (event.kind === 'node.start') this.#living.add(event.process);
    else if (event.kind === 'fenced') this.#fenced(event);
    else if (event.kind === 'node.refused' && OF_LOSS.has(event.fault) && !this.#mayLose && !this.#overtaken(event))
      this.#found('N8', `${event.process} found ${event.fault} in tenant ${event.tenant} although nothing was lost`);
    else if (event.kind === 'node.end' && event.why === TAKEN_FOR_DEAD && !this.#fencedOnes.has(event.process))
      this.#found('N12', `${event.process} ended, and nobody had taken its name away`);
    else if (event.kind === 'node.differs')
      this.#found('N4', `${event.process} found another state elsewhere: ${event.message}`);
  }

  finish(): readonly NodesViolation[] {
    const histories = this.#histories();
    this.#tokens();
    this.#positions();
    this.#tasks(histories);
    this.#ends(histories);
    judgePrograms(this.#events, histories, this.#lossy, (invariant, message) => this.#found(invariant, message));
    return this.#violations.slice(0, VIOLATIONS_MAX);
  }

  #found(invariant: NodesInvariant, message: string): void {
    this.#violations.push({ invariant, message });
  }

  /** N4 */
  #applied(event: AppliedEvent): void {
    const { process, tenant, seq, epoch, chain, hash, ts } = event;
    const key = `${process} ${tenant}`;
    const before = this.#heads.get(key);
    const after = before?.seq ?? (this.#snapshots.has(seq - 1) ? seq - 1 : 0);
    if (seq !== after + 1) this.#found('N4', `${process} applied entry ${seq} after ${after}`);
    if (before !== undefined) this.#before.set(chain, before);
    if (before !== undefined && epoch < before.epoch) this.#found('N11', `the epoch fell to ${epoch} at entry ${seq}`);
    if (before !== undefined && ts < before.ts) this.#found('N11', `time fell at entry ${seq}, to ${ts}`);
    this.#heads.set(key, event);
    if (!event.first) this.#whole.set(chain, event);
    if (hash === undefined) return;
    const same = this.#hashes.get(`${tenant} ${chain}`);
    if (same === undefined) this.#hashes.set(`${tenant} ${chain}`, event);
    else if (same.hash !== hash) this.#found('N4', `${process} and ${same.process} differ after entry ${seq}`);
  }

  /** Redis may have lost what a node had read: nodes that all live put everything back. */
  get #mayLose(): boolean {
    return this.#lossy && this.#disturbed;
  }

  /** Who was taken for dead may be overtaken by the trim; it could have known, or not. */
  #overtaken({ process, fault }: Extract<NodesEvent, { kind: 'node.refused' }>): boolean {
    return fault === 'GAP' && this.#fencedOnes.has(process);
  }

  /** N15 */
  #trimmed({ seq, kept }: Extract<NodesEvent, { kind: 'trimmed' }>): void {
    const newer = [...this.#snapshots].filter((one) => one >= seq);
    if (!this.#snapshots.has(seq) || newer.length < 2)
      this.#found('N15', `the log was trimmed to entry ${seq}; snapshots are of ${[...this.#snapshots].join(', ')}`);
    for (const [process, upTo] of kept)
      if (upTo < seq) this.#found('N15', `the log was trimmed to entry ${seq}, and ${process} has it up to ${upTo}`);
  }

  /** N14 */
  #early({ process, by, silentMs, connectedMs }: Extract<NodesEvent, { kind: 'early' }>): void {
    const what = `${process} was taken for dead ${silentMs} ms after it was heard of, by ${by}`;
    this.#found('N14', `${what}, which was connected for ${connectedMs} ms`);
  }

  /** Names of those that serve may be among what is lost. */
  #lose(): void {
    this.#lossy = true;
    this.#fencedAt.clear();
    for (const process of this.#living) this.#fencedOnes.add(process);
  }

  /** N10 */
  #fenced({ process, server, tenant, connections, excused }: Extract<NodesEvent, { kind: 'fenced' }>): void {
    this.#fencedOnes.add(process);
    this.#fencedAt.add(`${server} ${tenant} ${process}`);
    if (connections > 0 && !excused)
      this.#found('N10', `${process} was taken for dead while it had ${connections} connections`);
  }

  /** N5, N8 */
  #stored({ process, server, tenant, seq, member, repaired }: StoredEvent): void {
    if (repaired) return;
    const head = this.#heads.get(`${process} ${tenant}`)?.seq ?? 0;
    if (seq <= head) this.#found('N8', `${process} had entry ${head} of ${tenant}, and appended entry ${seq}`);
    if (!member || this.#fencedAt.has(`${server} ${tenant} ${process}`))
      this.#found('N5', `${process} appended entry ${seq} of ${tenant}, and was fenced`);
  }

  /** CK1 */
  #histories(): Histories {
    const serving = new Set(this.#events.flatMap((event) => (event.kind === 'found' ? [event.process] : [])));
    const final = new Map<number, AppliedEvent>();
    const others = new Map<string, AppliedEvent>();
    for (const event of this.#events) {
      if (event.kind !== 'applied' || event.tenant !== TENANT) continue;
      if (!serving.has(event.process)) others.set(event.chain, event);
      else if (!final.has(event.seq)) final.set(event.seq, event);
      else if (final.get(event.seq)?.chain !== event.chain)
        this.#found('N4', `${event.process} and ${final.get(event.seq)?.process} have another entry ${event.seq}`);
    }
    this.#fill(final);
    const lost = [...others.values()].filter(({ seq, chain }) => final.get(seq)?.chain !== chain);
    if (serving.size > 0 && lost.length > 0 && !this.#mayLose)
      this.#found(
        'N8',
        `${lost[0]?.process} had applied entry ${lost[0]?.seq}, which is gone, although nothing was lost`,
      );
    return { final, lost };
  }

  /** What stands in a snapshot those have not read who began from it: it is what leads to what they read. */
  #fill(final: Map<number, AppliedEvent>): void {
    let first = final.get(Math.min(...final.keys()));
    for (; first !== undefined; first = this.#before.get(first.chain)) final.set(first.seq, first);
    for (const [seq, event] of final) final.set(seq, this.#whole.get(event.chain) ?? event);
  }

  /** N2 */
  #tokens(): void {
    const given = new Map<number, string>();
    const begun = new Map<number, string>();
    for (const event of this.#events) {
      if (event.kind === 'begun') {
        const other = begun.get(event.token);
        if (other !== undefined)
          this.#found('N2', `token ${event.token} was begun by ${other} and by ${event.program}`);
        begun.set(event.token, event.program);
      }
      if (event.kind !== 'applied' || event.tenant !== TENANT) continue;
      const now = [
        ...event.assigned.map(({ id, token }) => [token, `task ${id}`] as const),
        ...event.locked.map(({ path, token }) => [token, `lock of ${path}`] as const),
      ];
      for (const [token, what] of now) {
        const meant = `${what} in ${event.chain}`;
        const known = given.get(token);
        if (known !== undefined && known !== meant)
          this.#found('N2', `token ${token} was given for a ${what} at entry ${event.seq}, and before for a ${known}`);
        given.set(token, meant);
      }
    }
  }

  /** N3 */
  #positions(): void {
    const spans = new Map<string, AppliedEvent>();
    for (const event of this.#events)
      if (event.kind === 'applied' && event.tenant === TENANT && !event.first) spans.set(event.chain, event);
    const sorted = [...spans.values()].toSorted((a, b) => a.rev - b.rev);
    for (const [i, event] of sorted.entries()) {
      const before = sorted[i - 1];
      if (before !== undefined && event.from < before.rev && event.from >= before.from)
        this.#found('N3', `positions up to ${before.rev} are of entry ${before.seq} and of another entry ${event.seq}`);
    }
    const texts = new Map<number, string>();
    for (const event of this.#events) {
      if (event.kind !== 'push') continue;
      const known = texts.get(event.rev);
      if (known !== undefined && known !== event.text)
        this.#found('N3', `position ${event.rev} was ${known} and is ${event.text}`);
      texts.set(event.rev, event.text);
    }
  }

  /** N6 */
  #tasks({ final }: Histories): void {
    const byMark = new Map<string, string>();
    const newest = new Map<string, number>();
    const over = new Set<string>();
    for (const event of [...final.values()].toSorted((a, b) => a.seq - b.seq)) {
      for (const { id, mark } of event.made) {
        const other = byMark.get(mark);
        // Whoever asks under a mark asks once, and the SDK asks again under the same number, or the same key.
        if (other !== undefined) this.#found('N6', `${mark} is task ${other} and task ${id}`);
        byMark.set(mark, id);
      }
      for (const { id, token } of event.assigned) {
        if (over.has(id)) this.#found('N6', `task ${id} had ended and was given out under ${token}`);
        if (token <= (newest.get(id) ?? 0)) this.#found('N2', `the token of task ${id} fell to ${token}`);
        newest.set(id, token);
      }
      for (const { id, status, token, by } of event.ended) {
        if (over.has(id)) this.#found('N6', `task ${id} ended twice`);
        if (status === 'completed' && (by !== token || by !== newest.get(id)))
          this.#found('N6', `task ${id} was completed by ${by}, its newest token is ${newest.get(id)}`);
        over.add(id);
      }
    }
  }

  /** N9, N11 */
  #ends({ final }: Histories): void {
    const found = this.#events.flatMap((event) => (event.kind === 'found' ? [event.head] : []));
    for (const { seq, chain, hash } of found) {
      const [first] = found;
      if (seq !== first?.seq || chain !== first.chain)
        this.#found('N9', `nodes end at entries ${first?.seq} and ${seq}`);
      else if (hash !== first.hash) this.#found('N4', `nodes differ at the end, at entry ${seq}`);
    }
    for (const event of this.#events) {
      if (event.kind !== 'end') continue;
      if (!event.quiet) this.#found('N9', event.why);
      for (const [i, { seq }] of event.log.entries())
        if (seq !== event.base + i + 1) return this.#found('N11', `entry ${event.base + i + 1} of the log is ${seq}`);
      const there = event.base + event.log.length;
      if (event.quiet && found.length > 0 && there !== final.size)
        this.#found('N11', `the log has ${there} entries, and nodes read ${final.size}`);
    }
  }
}
