/**
 * How much may be asked for in a second: of each principal, by class of the method and in bytes; how many fresh sessions it
 * may open in a minute; and how many connections may come, from one address and in all.
 *
 * Owns: the arithmetic, and who is counted. Does not own: the counters (a library's, in memory; shared ones have the same
 * face), what is refused and how (session, transport).
 *
 * R1 Asking is a number that is counted down: no clock, promise or map is touched while something is left.
 * R2 The counters are told in portions, a fiftieth of the limit, and answer in a later turn with what is left of all who
 *    share them. So whatever is taken on one node beyond the limit is at most one portion.
 * R3 Ends of work are counted and never refused.
 * R4 Counters that fail stop nothing: until they answer again each node counts alone.
 * R5 At most `KNOWN_MAX` addresses and as many principals are remembered here; whoever is forgotten is still known to the counters.
 * R6 A principal is remembered when it is no longer connected: breaking off gives nothing back.
 */
import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible';
import { OPERATIONS, type Operation, type OperationClass } from '../../protocol/wire/operations.ts';
import type { Rejection } from '../../protocol/wire/codes.ts';
import type { Method } from '../../protocol/wire/types.ts';
import { addressGroup } from '../base/address.ts';
import { must } from '../base/assert.ts';
import type { Principal } from '../node/port.ts';

/** What somebody is told who has to wait so long. */
export function tooOften(retryAfterMs: number): Rejection {
  return { code: 'RATE_LIMIT_EXCEEDED', message: 'Too many requests of this kind in a second.', retryAfterMs };
}

/** A limiter of the library: of so many points in a second, or in a minute, for each key. */
export interface RateCounters {
  /** Resolves with what is left, rejects with the same when it was too much, or with an error. */
  consume(key: string, points: number): Promise<RateLimiterRes>;
}

/** In a second, but for `sessions`; 0: no limit. */
export interface RateSettings {
  readonly classes: { readonly [C in OperationClass]: number };
  readonly bytes: number;
  /** Fresh ones, in a minute. */
  readonly sessions: number;
  readonly accepts: number;
  readonly acceptsOfAddress: number;
}

export interface RatesOptions {
  readonly settings: RateSettings;
  /** Monotonic ms. */
  readonly mono: () => number;
  /** Default: the library's, in this process. */
  readonly counters?: (name: string, points: number, seconds: number) => RateCounters;
  readonly onFault?: (fault: unknown) => void;
}

const SECOND_MS = 1_000;
/** R2 */
const PORTIONS = 50;
/** A session that breaks off stays for minutes, so a second is too short to bound how many there are. */
const SESSIONS_S = 60;
const KNOWN_MAX = 10_000;
const CLASSES: readonly OperationClass[] = ['session', 'work', 'hold', 'control', 'query', 'admin'];

function inMemory(name: string, points: number, seconds: number): RateCounters {
  return new RateLimiterMemory({ keyPrefix: name, points, duration: seconds });
}

export class Rates {
  readonly #classes = new Map<OperationClass, Rate>();
  readonly #bytes: Rate | undefined;
  readonly #sessions: Rate | undefined;
  readonly #accepts: Allowance | undefined;
  readonly #ofAddress: Rate | undefined;
  readonly #addresses = new Map<string, Allowance>();
  readonly #principals = new Map<string, PrincipalRates>();

  constructor(options: RatesOptions) {
    const { classes, bytes, sessions, accepts, acceptsOfAddress } = options.settings;
    const rate = (name: string, points: number, seconds = 1): Rate | undefined =>
      points === 0 ? undefined : new Rate(name, { points, seconds }, options);
    for (const name of CLASSES) {
      const made = rate(name, classes[name]);
      if (made !== undefined) this.#classes.set(name, made);
    }
    this.#bytes = rate('bytes', bytes);
    this.#sessions = rate('sessions', sessions, SESSIONS_S);
    this.#accepts = rate('accepts', accepts)?.of('node');
    this.#ofAddress = rate('address', acceptsOfAddress);
  }

  /** Addresses that are remembered here. */
  get addresses(): number {
    return this.#addresses.size;
  }

  /** Principals that are remembered here. */
  get principals(): number {
    return this.#principals.size;
  }

  /** For all connections of one principal together (R6). */
  ofPrincipal({ tenant, id }: Principal): PrincipalRates {
    const key = `${tenant}/${id}`;
    return remembered(this.#principals, key, () => {
      const classes = CLASSES.map((name) => this.#classes.get(name)?.of(key));
      return new PrincipalRates({ classes, bytes: this.#bytes?.of(key), sessions: this.#sessions?.of(key) });
    });
  }

  /** One more connection from this address: 0, or after how many ms it may come. */
  accept(address: string): number {
    const own = this.#allowanceOf(addressGroup(address));
    const waitMs = Math.max(this.#accepts?.waitMs() ?? 0, own?.waitMs() ?? 0);
    if (waitMs > 0) return waitMs;
    this.#accepts?.count(1);
    own?.count(1);
    return 0;
  }

  /** R5 */
  #allowanceOf(group: string): Allowance | undefined {
    const rate = this.#ofAddress;
    return rate === undefined ? undefined : remembered(this.#addresses, group, () => rate.of(group));
  }
}

/** R5 */
function remembered<T>(all: Map<string, T>, key: string, make: () => T): T {
  const known = all.get(key);
  if (known !== undefined) return known;
  const made = make();
  all.set(key, made);
  if (all.size > KNOWN_MAX) {
    for (const oldest of all.keys()) {
      all.delete(oldest);
      break;
    }
  }
  return made;
}

interface PrincipalParts {
  /** In the order of `CLASSES`. */
  readonly classes: readonly (Allowance | undefined)[];
  readonly bytes: Allowance | undefined;
  readonly sessions: Allowance | undefined;
}

/** What one principal has left. */
export class PrincipalRates {
  readonly #classes: readonly (Allowance | undefined)[];
  readonly #bytes: Allowance | undefined;
  readonly #sessions: Allowance | undefined;

  constructor({ classes, bytes, sessions }: PrincipalParts) {
    this.#classes = classes;
    this.#bytes = bytes;
    this.#sessions = sessions;
  }

  received(bytes: number): void {
    this.#bytes?.count(bytes);
  }

  /** One more request: 0, or after how many ms it may be asked again. */
  ask(method: Method): number {
    const { at, ends } = must(ROWS.get(method), 'every method has a row');
    const own = this.#classes[at];
    if (!ends) {
      const waitMs = Math.max(own?.waitMs() ?? 0, this.#bytes?.waitMs() ?? 0);
      if (waitMs > 0) return waitMs;
    }
    own?.count(1); // R3
    return 0;
  }

  /** One more fresh session, which is a request of its class as well: 0, or after how many ms it may be opened. */
  open(): number {
    const own = this.#classes[SESSION];
    const waitMs = Math.max(own?.waitMs() ?? 0, this.#sessions?.waitMs() ?? 0);
    if (waitMs > 0) return waitMs;
    own?.count(1);
    this.#sessions?.count(1);
    return 0;
  }
}

const SESSION = CLASSES.indexOf('session');

interface Row {
  /** Place of the class. */
  readonly at: number;
  readonly ends: boolean;
}

const ROWS: ReadonlyMap<string, Row> = new Map(
  Object.entries<Operation>(OPERATIONS).map(([method, row]): [string, Row] => [
    method,
    { at: CLASSES.indexOf(row.class), ends: row.ends === true },
  ]),
);

/** So many in so many seconds for each key. */
class Rate {
  readonly points: number;
  readonly windowMs: number;
  readonly portion: number;
  readonly mono: () => number;
  readonly counters: RateCounters;
  readonly fault: (fault: unknown) => void;

  constructor(
    name: string,
    { points, seconds }: { readonly points: number; readonly seconds: number },
    options: RatesOptions,
  ) {
    this.points = points;
    this.windowMs = seconds * SECOND_MS;
    this.portion = Math.max(1, Math.floor(points / PORTIONS));
    this.mono = options.mono;
    this.counters = (options.counters ?? inMemory)(`muster:rate:${name}`, points, seconds);
    this.fault = options.onFault ?? (() => undefined);
  }

  of(key: string): Allowance {
    return new Allowance(this, key);
  }
}

/** What is left for one key, as far as this node knows. */
class Allowance {
  readonly #rate: Rate;
  readonly #key: string;
  #left = 0;
  /** Taken and not told yet. */
  #owed = 0;
  /** Monotonic ms; from then on all of it is there again. */
  #renewAt = -Infinity;
  #telling = false;

  constructor(rate: Rate, key: string) {
    this.#rate = rate;
    this.#key = key;
  }

  /** 0: something is left. */
  waitMs(): number {
    if (this.#left > 0) return 0; // R1
    const now = this.#rate.mono();
    if (now < this.#renewAt) return Math.ceil(this.#renewAt - now);
    this.#left = this.#rate.points;
    this.#renewAt = now + this.#rate.windowMs;
    return 0;
  }

  count(points: number): void {
    this.#left -= points;
    this.#owed += points;
    if (this.#owed >= this.#rate.portion && !this.#telling) this.#tell();
  }

  /** R2 */
  #tell(): void {
    const points = this.#owed;
    this.#owed = 0;
    this.#telling = true;
    const told = (answer: unknown): void => this.#told(answer);
    this.#rate.counters.consume(this.#key, points).then(told, told);
  }

  #told(answer: unknown): void {
    this.#telling = false;
    if (answer instanceof RateLimiterRes) {
      this.#left = answer.remainingPoints - this.#owed;
      // The library goes by the wall clock, which may have been set back meanwhile.
      this.#renewAt = this.#rate.mono() + Math.min(answer.msBeforeNext, this.#rate.windowMs);
    } else this.#rate.fault(answer); // R4
    if (this.#owed >= this.#rate.portion) this.#tell();
  }
}
