/** Figures of the path of a write, and of how things stand. */
import { AGENT_STATUSES, TASK_STATUSES } from '../../protocol/wire/types.ts';
import { COMMANDS, SECONDS, WAIT_SECONDS, type HistogramSeries } from './histogram.ts';
import type { LockOutcome, NodeFigures, NodeMetrics, NotificationOutcome, PushClass } from './port.ts';
import type { Sample, Scrape } from './scrape.ts';

/** Labels of more than one word. */
const OUTCOMES: { readonly [outcome: string]: string } = { timedOut: 'timed_out', passedOver: 'passed_over' };

export class WriteFigures implements NodeMetrics {
  readonly #appendSeconds: HistogramSeries;
  readonly #entryCommands: HistogramSeries;
  readonly #applySeconds: HistogramSeries;
  readonly #dispatchSeconds: HistogramSeries;
  readonly #checkpointSeconds: HistogramSeries;
  readonly #lockWaitSeconds: HistogramSeries;
  readonly #pushes: Record<PushClass, number> = { grant: 0, reliable: 0, latest: 0, ephemeral: 0 };
  readonly #locks: Record<LockOutcome, number> = {
    granted: 0,
    timedOut: 0,
    deadlock: 0,
    forced: 0,
    expired: 0,
    passedOver: 0,
  };
  readonly #notifications: Record<NotificationOutcome, number> = {
    sent: 0,
    told: 0,
    expired: 0,
    crowded: 0,
    refused: 0,
  };
  #logBytes = 0;
  #checkpointBytes = 0;
  #storeDamaged = 0;
  #snapshotTroubles = 0;
  #statesDiffered = 0;
  readonly #moves = { applied: 0, refused: 0 };

  constructor(scrape: Scrape) {
    const histogram = (name: string, help: string, bounds: readonly number[]) =>
      scrape.histogram({ name, help, bounds }).series();
    this.#appendSeconds = histogram(
      'muster_log_append_seconds',
      'From handing an entry to the log until it is durable.',
      SECONDS,
    );
    this.#entryCommands = histogram('muster_log_entry_commands', 'Commands in one entry of the log.', COMMANDS);
    this.#applySeconds = histogram('muster_apply_seconds', 'Applying one entry of the log.', SECONDS);
    this.#dispatchSeconds = histogram(
      'muster_dispatch_wait_seconds',
      'From a task being assignable until it is assigned.',
      WAIT_SECONDS,
    );
    this.#checkpointSeconds = histogram('muster_checkpoint_seconds', 'Taking one checkpoint.', SECONDS);
    this.#lockWaitSeconds = histogram(
      'muster_lock_wait_seconds',
      'From asking for a lock until it is granted, in live time.',
      WAIT_SECONDS,
    );
    scrape.counter(
      { name: 'muster_locks_total', help: 'What became of locks and of requests for them.', labels: ['outcome'] },
      () =>
        Object.entries(this.#locks).map(([outcome, value]) => ({
          labels: { outcome: OUTCOMES[outcome] ?? outcome },
          value,
        })),
    );
    scrape.counter(
      { name: 'muster_notifications_total', help: 'What became of notifications.', labels: ['outcome'] },
      () => Object.entries(this.#notifications).map(([outcome, value]) => ({ labels: { outcome }, value })),
    );
    scrape.counter({ name: 'muster_log_bytes_total', help: 'Bytes of payload appended.' }, () => [
      { value: this.#logBytes },
    ]);
    scrape.counter(
      { name: 'muster_store_damaged_total', help: 'Rows of the read store that were found damaged, and are left out.' },
      () => [{ value: this.#storeDamaged }],
    );
    scrape.counter(
      { name: 'muster_snapshot_troubles_total', help: 'Snapshots of the state that cannot be used or removed.' },
      () => [{ value: this.#snapshotTroubles }],
    );
    scrape.counter(
      {
        name: 'muster_state_mismatches_total',
        help: 'Times that the state of a tenant was another one on another node.',
      },
      () => [{ value: this.#statesDiffered }],
    );
    scrape.counter(
      {
        name: 'muster_rebalance_moves_total',
        help: 'Proposed moves of work that nobody had begun, by what became of them.',
        labels: ['outcome'],
      },
      () => Object.entries(this.#moves).map(([outcome, value]) => ({ labels: { outcome }, value })),
    );
    scrape.gauge({ name: 'muster_checkpoint_bytes', help: 'Size of the last checkpoint.' }, () => [
      { value: this.#checkpointBytes },
    ]);
    scrape.counter(
      { name: 'muster_pushes_total', help: 'Pushes handed to sessions, by class.', labels: ['class'] },
      () => Object.entries(this.#pushes).map(([name, value]) => ({ labels: { class: name }, value })),
    );
  }

  appended(entry: { readonly commands: number; readonly bytes: number; readonly ms: number }): void {
    this.#appendSeconds.observe(entry.ms / 1_000);
    this.#entryCommands.observe(entry.commands);
    this.#logBytes += entry.bytes;
  }

  applied(ms: number): void {
    this.#applySeconds.observe(ms / 1_000);
  }

  dispatched(waitMs: number): void {
    this.#dispatchSeconds.observe(waitMs / 1_000);
  }

  lock(what: LockOutcome, waitedMs?: number): void {
    this.#locks[what] += 1;
    if (waitedMs !== undefined) this.#lockWaitSeconds.observe(waitedMs / 1_000);
  }

  notification(what: NotificationOutcome): void {
    this.#notifications[what] += 1;
  }

  pushed(pushClass: PushClass, count: number): void {
    this.#pushes[pushClass] += count;
  }

  checkpoint(run: { readonly ms: number; readonly bytes: number }): void {
    this.#checkpointSeconds.observe(run.ms / 1_000);
    this.#checkpointBytes = run.bytes;
  }

  moved({ proposed, applied }: { readonly proposed: number; readonly applied: number }): void {
    this.#moves.applied += applied;
    this.#moves.refused += proposed - applied;
  }

  storeDamaged(): void {
    this.#storeDamaged += 1;
  }

  stateDiffered(): void {
    this.#statesDiffered += 1;
  }

  snapshotTrouble(): void {
    this.#snapshotTroubles += 1;
  }
}

const STANDING = [
  ['muster_tenants', 'Tenants that are served.', (now) => now.tenants],
  [
    'muster_tenants_halted',
    'Tenants that are not served: halted, or their log was refused.',
    (now) => now.tenantsHalted,
  ],
  ['muster_sessions', 'Sessions, with a connection or without.', (now) => now.sessions],
  ['muster_sessions_attached', 'Sessions with a connection.', (now) => now.attached],
  ['muster_dead_letters', 'Dead letters among the tasks in memory; deadLetter.list has all.', (now) => now.deadLetters],
  ['muster_log_head', 'Durable entries, over all tenants.', (now) => now.logHead],
  ['muster_log_applied', 'Applied entries, over all tenants.', (now) => now.logApplied],
  ['muster_queue_depth', 'Commands that wait for the log.', (now) => now.pendingCommands],
  ['muster_ring_pushes', 'Pushes that are kept for replay.', (now) => now.ringPushes],
  ['muster_ring_bytes', 'Bytes of pushes that are kept for replay.', (now) => now.ringBytes],
  ['muster_documents_unindexed', 'Documents whose newest text cannot be searched yet.', (now) => now.unindexed],
] as const satisfies readonly (readonly [string, string, (now: NodeFigures) => number])[];

/** Asks `figures` once at each scrape. */
export function watchNode(scrape: Scrape, figures: () => NodeFigures): void {
  let now = figures();
  scrape.before(() => {
    now = figures();
  });
  for (const [name, help, read] of STANDING) scrape.gauge({ name, help }, () => [{ value: read(now) }]);
  scrape.counter(
    { name: 'muster_gaps_total', help: 'Times that a client was told that pushes for it are no longer kept.' },
    () => [{ value: now.gaps }],
  );
  const byStatus = <S extends string>(statuses: readonly S[], counts: { readonly [K in S]?: number }): Sample[] =>
    statuses.map((status) => ({ labels: { status }, value: counts[status] ?? 0 }));
  scrape.gauge({ name: 'muster_agents', help: 'Registered agents, by status.', labels: ['status'] }, () =>
    byStatus(AGENT_STATUSES, now.agents),
  );
  scrape.gauge({ name: 'muster_records', help: 'Records in memory, by table of the state.', labels: ['table'] }, () =>
    Object.entries(now.records).map(([table, value]) => ({ labels: { table }, value })),
  );
  scrape.gauge({ name: 'muster_tasks', help: 'Tasks in memory, by status.', labels: ['status'] }, () =>
    byStatus(TASK_STATUSES, now.tasks),
  );
}
