/** Versions of documents of one tenant, on the main thread: what was put and not sent, and the asks. */
import { archivedBytes } from '../archived-version.ts';
import type { ArchivedVersion, VersionArchive, WayBack } from '../port.ts';
import type { NamedQuery, TextsQuery, VersionsQuery, WayBackQuery } from './messages.ts';
import type { StoreHost } from './tenant-store.ts';

/** What a document that is dropped takes on its way, roughly. */
const goneBytes = 50;

export class TenantArchive implements VersionArchive {
  readonly #tenant: string;
  readonly #host: StoreHost;
  #versions: ArchivedVersion[] = [];
  #gone: string[] = [];

  constructor(tenant: string, host: StoreHost) {
    this.#tenant = tenant;
    this.#host = host;
  }

  put(versions: readonly ArchivedVersion[]): void {
    this.#versions.push(...versions);
    // Of their texts only the names are sent.
    const sent = versions.map(
      ({ record, anchor, texts }) => archivedBytes({ record, anchor, texts: [] }) + 64 * texts.length,
    );
    this.#host.waiting(sent.reduce((sum, bytes) => sum + bytes, 0));
  }

  drop(document: string): void {
    this.#gone.push(document);
    this.#host.waiting(goneBytes);
  }

  list(query: VersionsQuery, done: Parameters<VersionArchive['list']>[1]): void {
    this.#settle();
    const ask = { kind: 'versions', tenant: this.#tenant, query } as const;
    this.#host.ask<'versions'>(ask, ({ versions, next }) => done(versions, next));
  }

  wayBack(query: WayBackQuery, done: (way: WayBack | 'damaged' | undefined) => void): void {
    this.#settle();
    this.#host.ask<'wayBack'>({ kind: 'wayBack', tenant: this.#tenant, query }, (way) => done(way ?? undefined));
  }

  named(query: NamedQuery, done: (named: ReadonlySet<string>) => void): void {
    this.#settle();
    const ask = { kind: 'namedTexts', tenant: this.#tenant, query } as const;
    this.#host.ask<'namedTexts'>(ask, (named) => done(new Set(named)));
  }

  texts(query: TextsQuery, done: (hashes: readonly string[]) => void): void {
    this.#settle();
    this.#host.ask<'archivedTexts'>({ kind: 'archivedTexts', tenant: this.#tenant, query }, done);
  }

  /** What waits to be sent; it is the caller's now. */
  take(): { readonly versions: readonly ArchivedVersion[]; readonly gone: readonly string[] } {
    const taken = { versions: this.#versions, gone: this.#gone };
    this.#versions = [];
    this.#gone = [];
    return taken;
  }

  /** TS2 of tenant-store.ts. */
  #settle(): void {
    if (this.#versions.length + this.#gone.length > 0) this.#host.send();
  }
}
