/**
 * Texts of documents in Redis, in the slot of their tenant, so with the log that names them: what of the log is there after a failover has its texts.
 *
 * Owns: keys and scripts of texts, how long it is waited for a connection, that replicas have what was put. Does not own: what a text is, its
 * hash, who names it, copies on this node.
 *
 * RX1 What was put is as durable as an entry that was appended: synced by Redis before it answers, and on the replicas that Redis demands.
 * RX2 Every call may be made again, and is when the connection ends under it, until `patienceMs` have passed: then it is `away`. To let go is
 *     tried once and now: what was let go may be held anew meanwhile.
 * RX3 What this node put of late is put again before anything is appended, and what it holds is held again, when the server has become another one
 *     or has lost entries (`replaced`): whoever keeps copies says so by `again`.
 */
import type { Scheduler } from '../../base/scheduler.ts';
import { keysOf } from './keys.ts';
import { LinkLost, messageOf, ServerRefusal, type Argument } from './link.ts';
import { refusalOf } from './refusal.ts';
import { bytesOf, integerOf, listOf, textOf } from './replies.ts';
import { runScript, type Script } from './script.ts';
import { tell } from './tell.ts';
import type { Session } from './tenant-log.ts';
import { TEXT_SCRIPTS } from './text-scripts.ts';

/** As an append waits (appends.ts, AP3). */
const patienceMs = 2_000;

/** Of the texts of one tenant in Redis, so that they do not take the memory that its log needs. */
const tenantBytesMax = 1024 * 1024 * 1024;

/** `full`: Redis, or the tenant, has no room. `away`: it cannot be reached, or refuses, for now. */
export type TextRefusal = 'full' | 'away';

export interface NamedText {
  readonly hash: string;
  readonly data: Uint8Array;
}

export interface TextSettling {
  readonly applied: number;
  readonly now: number;
  readonly unreferencedMs: number;
  readonly referenced: readonly string[];
  readonly unreferenced: readonly string[];
}

export interface TextsSettled {
  readonly count: number;
  readonly bytes: number;
  /** Of the referenced ones, those that are not there. */
  readonly gone: readonly string[];
}

/** RX3. What this node put of late, and what it holds. */
export interface RecentTexts {
  names(tenant: string): readonly string[];
  held(tenant: string): readonly string[];
  /** They were put again, so this node holds them at Redis. */
  putAgain(tenant: string, hashes: readonly string[]): void;
  /** Undefined: there is no copy any more. */
  copy(tenant: string, hash: string, done: (data: Uint8Array | undefined) => void): void;
}

export interface TextsHost {
  readonly scheduler: Scheduler;
  readonly node: string;
  /** The connection for which the tenant's log was claimed; undefined: there was none for so long. */
  session(tenant: string, withinMs: number): Promise<Session | undefined>;
  trouble(tenant: string, what: string): void;
}

export class RedisTexts {
  readonly #host: TextsHost;
  /** RX3 */
  #recent: RecentTexts | undefined;

  constructor(host: TextsHost) {
    this.#host = host;
  }

  put(tenant: string, texts: readonly NamedText[], done: (outcome: 'stored' | TextRefusal) => void): void {
    void tell(
      this.#asked(tenant, (session) => this.#put(session, tenant, texts)),
      done,
    );
  }

  /** What is missing; if nothing is, all are held. */
  hold(tenant: string, hashes: readonly string[], done: (missing: readonly string[] | TextRefusal) => void): void {
    const work = this.#asked(tenant, async (session): Promise<readonly string[] | TextRefusal> => {
      const [said, ...missing] = await this.#own(session, { tenant, script: TEXT_SCRIPTS.hold }, hashes);
      if (textOf(said) === 'FENCED') return 'away';
      await session.replicated();
      return missing.map(textOf);
    });
    void tell(work, done);
  }

  release(tenant: string, hashes: readonly string[], done: (outcome: 'released' | TextRefusal) => void): void {
    const letGo = async (session: Session): Promise<'released'> => {
      // Who is fenced holds nothing any more.
      await this.#own(session, { tenant, script: TEXT_SCRIPTS.release }, hashes);
      return 'released';
    };
    void tell(this.#asked(tenant, letGo, 0), done);
  }

  missing(tenant: string, hashes: readonly string[], done: (missing: readonly string[] | TextRefusal) => void): void {
    void tell(
      this.#asked(tenant, (session) => this.#missing(session, tenant, hashes)),
      done,
    );
  }

  get(tenant: string, hash: string, done: (data: Uint8Array | 'absent' | TextRefusal) => void): void {
    const work = this.#asked(tenant, async ({ link }): Promise<Uint8Array | 'absent'> => {
      const found = await link.call('HGET', keysOf(tenant).texts.data, hash);
      return found === null ? 'absent' : bytesOf(found);
    });
    void tell(work, done);
  }

  /** Ascending. */
  list(
    tenant: string,
    { above, limit }: { readonly above: string; readonly limit: number },
    done: (hashes: readonly string[] | TextRefusal) => void,
  ): void {
    const work = this.#asked(tenant, async ({ link }): Promise<readonly string[]> => {
      const range = [above === '' ? '-' : `(${above}`, '+', 'LIMIT', '0', String(limit)];
      return listOf(await link.call('ZRANGEBYLEX', keysOf(tenant).texts.names, ...range)).map(textOf);
    });
    void tell(work, done);
  }

  settle(tenant: string, settling: TextSettling, done: (settled: TextsSettled | TextRefusal) => void): void {
    const { applied, now, unreferencedMs, referenced, unreferenced } = settling;
    const figures = [applied, now, unreferencedMs, referenced.length].map(String);
    const work = this.#asked(tenant, async (session): Promise<TextsSettled> => {
      const args = [this.#host.node, ...figures, ...referenced, ...unreferenced];
      const [count, bytes, ...gone] = await this.#run(session, { tenant, script: TEXT_SCRIPTS.settle }, args);
      return { count: integerOf(count), bytes: integerOf(bytes), gone: gone.map(textOf) };
    });
    void tell(work, done);
  }

  usage(tenant: string, done: (usage: { readonly count: number; readonly bytes: number } | TextRefusal) => void): void {
    const { data, bytes } = keysOf(tenant).texts;
    const work = this.#asked(tenant, async ({ link }): Promise<{ readonly count: number; readonly bytes: number }> => {
      const count = integerOf(await link.call('HLEN', data));
      const sum = await link.call('GET', bytes);
      return { count, bytes: sum === null ? 0 : integerOf(sum) };
    });
    void tell(work, done);
  }

  /** RX3 */
  again(recent: RecentTexts): void {
    this.#recent = recent;
  }

  /** RX3. Rejects when the connection ends. */
  async replaced(tenant: string, session: Session): Promise<void> {
    const recent = this.#recent;
    if (recent === undefined) return;
    try {
      for (const hash of await this.#missing(session, tenant, recent.names(tenant))) {
        const data = await copyOf(recent, tenant, hash);
        if (data === undefined) continue;
        const outcome = await this.#put(session, tenant, [{ hash, data }]);
        if (outcome === 'stored') recent.putAgain(tenant, [hash]);
        else this.#host.trouble(tenant, `a text that Redis lost was not put again: ${outcome}`);
      }
      const held = recent.held(tenant);
      if (held.length > 0) await this.#own(session, { tenant, script: TEXT_SCRIPTS.holdAgain }, held);
    } catch (error) {
      if (!(error instanceof ServerRefusal)) throw error;
      this.#host.trouble(tenant, `texts that Redis may have lost were not put again: ${error.message}`);
    }
  }

  async #missing({ link }: Session, tenant: string, hashes: readonly string[]): Promise<readonly string[]> {
    if (hashes.length === 0) return [];
    const scores = listOf(await link.call('ZMSCORE', keysOf(tenant).texts.names, ...hashes));
    return hashes.filter((_, place) => scores[place] === null);
  }

  async #put(session: Session, tenant: string, texts: readonly NamedText[]): Promise<'stored' | TextRefusal> {
    const args = [String(tenantBytesMax), ...texts.flatMap(({ hash, data }) => [hash, data])];
    const [outcome] = await this.#own(session, { tenant, script: TEXT_SCRIPTS.put }, args);
    const said = textOf(outcome);
    if (said !== 'OK') return said === 'FULL' ? 'full' : 'away';
    await session.replicated(); // RX1
    return 'stored';
  }

  /** A script in which this node must be one that may append. */
  #own(
    session: Session,
    of: { readonly tenant: string; readonly script: Script },
    args: readonly Argument[],
  ): Promise<readonly unknown[]> {
    return this.#run(session, of, [this.#host.node, session.pass, ...args]);
  }

  async #run(
    { link }: Session,
    { tenant, script }: { readonly tenant: string; readonly script: Script },
    args: readonly Argument[],
  ): Promise<readonly unknown[]> {
    const { meta, texts } = keysOf(tenant);
    const keys = [meta, texts.data, texts.names, texts.marks, texts.holds, texts.bytes];
    return listOf(await runScript(link, { script, keys }, args));
  }

  /** RX2. Never rejects. */
  async #asked<T>(
    tenant: string,
    ask: (session: Session) => Promise<T>,
    patience = patienceMs,
  ): Promise<T | TextRefusal> {
    const { scheduler } = this.#host;
    const end = scheduler.mono() + patience;
    for (;;) {
      const session = await this.#host.session(tenant, Math.max(0, end - scheduler.mono()));
      if (session === undefined) return 'away';
      try {
        return await ask(session);
      } catch (error) {
        const refusal = this.#refused(tenant, session, error);
        if (refusal !== 'again') return refusal;
        if (scheduler.mono() >= end) return 'away';
      }
    }
  }

  #refused(tenant: string, session: Session, error: unknown): TextRefusal | 'again' {
    if (error instanceof LinkLost) return 'again';
    this.#host.trouble(tenant, messageOf(error));
    if (!(error instanceof ServerRefusal)) return 'away';
    const meaning = refusalOf(error.message);
    if (meaning === 'full') return 'full';
    if (meaning === 'elsewhere') session.renew(error.message);
    return meaning === 'elsewhere' ? 'again' : 'away';
  }
}

function copyOf(recent: RecentTexts, tenant: string, hash: string): Promise<Uint8Array | undefined> {
  return new Promise((resolve) => recent.copy(tenant, hash, resolve));
}
