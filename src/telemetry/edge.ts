/** Figures of connections and requests. */
import { ERROR_CODES, type ErrorCode } from '../../protocol/wire/codes.ts';
import { isMethod, OPERATIONS, type OperationClass } from '../../protocol/wire/operations.ts';
import type { Method } from '../../protocol/wire/types.ts';
import { must } from '../base/assert.ts';
import { SECONDS, type Histogram, type HistogramSeries } from './histogram.ts';
import type { EdgeMetrics } from './port.ts';
import type { Sample, Scrape } from './scrape.ts';

interface Outcomes {
  ok: number;
  /** Refused for a reason that the caller can know. */
  rejected: number;
  /** Refused because of us. */
  error: number;
  readonly seconds: HistogramSeries;
}

/** The service and the operation of a method: `task.create` is `create` of `task`. */
function partsOf(method: Method): { readonly service: string; readonly operation: string } {
  const [service = '', operation = ''] = method.split('.');
  return { service, operation };
}

export class EdgeFigures implements EdgeMetrics {
  readonly #methods: ReadonlyMap<Method, Outcomes>;
  readonly #errors = new Map<string, number>();
  readonly #closes = new Map<string, number>();
  readonly #turned = new Map<string, number>();
  readonly #limited = new Map<string, number>();
  #opened = 0;
  #closed = 0;
  readonly #frames = { in: 0, out: 0 };
  readonly #bytes = { in: 0, out: 0 };
  #dropped = 0;
  #refused = 0;

  constructor(scrape: Scrape) {
    const durations = scrape.histogram({
      name: 'service_operation_duration_seconds',
      help: 'From a request to its answer.',
      bounds: SECONDS,
    });
    this.#methods = new Map(
      Object.keys(OPERATIONS)
        .filter(isMethod)
        .map((method) => [method, outcomes(method, durations)]),
    );
    this.#tellOperations(scrape);
    this.#tellConnections(scrape);
  }

  connectionOpened(): void {
    this.#opened += 1;
  }

  connectionClosed(reason: string): void {
    this.#closed += 1;
    add(this.#closes, reason);
  }

  received(frames: number, bytes: number): void {
    this.#frames.in += frames;
    this.#bytes.in += bytes;
  }

  sent(frames: number, bytes: number): void {
    this.#frames.out += frames;
    this.#bytes.out += bytes;
  }

  operation(method: Method, outcome: { readonly code: ErrorCode | undefined; readonly ms: number }): void {
    const counts = must(this.#methods.get(method), 'every method is counted');
    counts.seconds.observe(outcome.ms / 1_000);
    if (outcome.code === undefined) {
      counts.ok += 1;
      return;
    }
    const { type } = ERROR_CODES[outcome.code];
    counts[type === 'internal' || type === 'unavailable' ? 'error' : 'rejected'] += 1;
    add(this.#errors, outcome.code);
  }

  fault(code: ErrorCode): void {
    add(this.#errors, code);
  }

  dropped(count: number): void {
    this.#dropped += count;
  }

  refused(): void {
    this.#refused += 1;
  }

  turnedAway(why: string): void {
    add(this.#turned, why);
  }

  rateLimited(operationClass: OperationClass): void {
    add(this.#limited, operationClass);
  }

  #tellOperations(scrape: Scrape): void {
    scrape.counter(
      { name: 'service_operations_total', help: 'Answered requests.', labels: ['service', 'operation', 'outcome'] },
      () =>
        [...this.#methods].flatMap(([method, counts]) =>
          (['ok', 'rejected', 'error'] as const).map((outcome) => ({
            labels: { ...partsOf(method), outcome },
            value: counts[outcome],
          })),
        ),
    );
    scrape.counter({ name: 'service_errors_total', help: 'Errors answered, by code.', labels: ['code'] }, () =>
      samples(this.#errors, 'code'),
    );
    scrape.counter(
      {
        name: 'service_rate_limit_hits_total',
        help: 'Requests refused because their principal had asked too often, by class.',
        labels: ['class'],
      },
      () => samples(this.#limited, 'class'),
    );
  }

  #tellConnections(scrape: Scrape): void {
    scrape.gauge({ name: 'muster_connections', help: 'Open connections.' }, () => [
      { value: this.#opened - this.#closed },
    ]);
    scrape.counter({ name: 'muster_connections_opened_total', help: 'Connections accepted.' }, () => [
      { value: this.#opened },
    ]);
    scrape.counter(
      { name: 'muster_connections_closed_total', help: 'Connections ended, by reason.', labels: ['reason'] },
      () => samples(this.#closes, 'reason'),
    );
    scrape.counter(
      {
        name: 'muster_connections_turned_away_total',
        help: 'Upgrades answered with 503, by what was full.',
        labels: ['reason'],
      },
      () => samples(this.#turned, 'reason'),
    );
    const directions = (figure: { readonly in: number; readonly out: number }): Sample[] => [
      { labels: { direction: 'in' }, value: figure.in },
      { labels: { direction: 'out' }, value: figure.out },
    ];
    scrape.counter({ name: 'muster_frames_total', help: 'Frames of the protocol.', labels: ['direction'] }, () =>
      directions(this.#frames),
    );
    scrape.counter({ name: 'muster_bytes_total', help: 'Bytes of the protocol.', labels: ['direction'] }, () =>
      directions(this.#bytes),
    );
    scrape.counter(
      { name: 'muster_pushes_dropped_total', help: 'Pushes that were not sent, by reason.', labels: ['reason'] },
      () => [{ labels: { reason: 'superseded' }, value: this.#dropped }],
    );
    scrape.counter(
      { name: 'muster_slow_readers_total', help: 'Times that a full queue sent a reader to the ring.' },
      () => [{ value: this.#refused }],
    );
  }
}

function outcomes(method: Method, durations: Histogram): Outcomes {
  return { ok: 0, rejected: 0, error: 0, seconds: durations.series(partsOf(method)) };
}

function add(counts: Map<string, number>, name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1);
}

function samples(counts: ReadonlyMap<string, number>, label: string): Sample[] {
  return [...counts].map(([name, value]) => ({ labels: { [label]: name }, value }));
}
