/** Versions of documents in the store in memory. */
import { byCodeUnits } from '../base/order.ts';
import { archivedBytes } from './archived-version.ts';
import type { ArchivedVersion, VersionArchive, WayBack } from './port.ts';

type Parameter<M extends keyof VersionArchive> = Parameters<VersionArchive[M]>[0];

export class ArchiveRows {
  /** In the order in which they were put. */
  #versions: ArchivedVersion[] = [];

  put(versions: readonly ArchivedVersion[]): void {
    for (const one of versions) if (this.#find(one.document, one.version) === undefined) this.#versions.push(one);
  }

  drop(document: string): void {
    this.#versions = this.#versions.filter((one) => one.document !== document);
  }

  /** S8 */
  retain(bytesMax: number): void {
    let bytes = this.#versions.reduce((sum, one) => sum + archivedBytes(one), 0);
    const kept = this.#versions.findIndex((one) => {
      if (bytes <= bytesMax) return true;
      bytes -= archivedBytes(one);
      return false;
    });
    this.#versions = kept < 0 ? [] : this.#versions.slice(kept);
  }

  list({ document, below, limit }: Parameter<'list'>): {
    readonly versions: readonly ArchivedVersion[];
    readonly next: number | undefined;
  } {
    const found = this.#versions
      .filter((one) => one.document === document && one.version < below)
      .toSorted((a, b) => b.version - a.version);
    const versions = found.slice(0, limit);
    return { versions, next: found.length > limit ? versions.at(-1)?.version : undefined };
  }

  wayBack({ document, version, from }: Parameter<'wayBack'>): WayBack | undefined {
    const records: Uint8Array[] = [];
    for (let at = version; at <= from; at += 1) {
      const anchor = this.#find(document, at)?.anchor;
      if (anchor !== undefined) return { anchor, records: records.toReversed() };
      const next = at === from ? undefined : this.#find(document, at + 1);
      if (next === undefined) break;
      records.push(next.record);
    }
    return records.length === from - version ? { anchor: undefined, records: records.toReversed() } : undefined;
  }

  named({ hashes, document }: Parameter<'named'>): ReadonlySet<string> {
    const asked = new Set(hashes);
    return new Set(
      this.#versions
        .filter((one) => document === undefined || one.document === document)
        .flatMap(({ texts }) => texts.map(({ sha256 }) => sha256).filter((sha256) => asked.has(sha256))),
    );
  }

  texts({ above, limit }: Parameter<'texts'>): readonly string[] {
    const all = new Set(this.#versions.flatMap(({ texts }) => texts.map(({ sha256 }) => sha256)));
    return [...all]
      .filter((sha256) => byCodeUnits(sha256, above) > 0)
      .toSorted(byCodeUnits)
      .slice(0, limit);
  }

  copy(): ArchiveRows {
    const copy = new ArchiveRows();
    copy.#versions = [...this.#versions];
    return copy;
  }

  #find(document: string, version: number): ArchivedVersion | undefined {
    return this.#versions.find((one) => one.document === document && one.version === version);
  }
}

export interface ArchiveHost {
  /** As a reader sees them. */
  readonly rows: ArchiveRows;
  put(versions: readonly ArchivedVersion[]): void;
  drop(document: string): void;
  step(fn: () => void): void;
}

export class MemoryArchive implements VersionArchive {
  readonly #host: ArchiveHost;

  constructor(host: ArchiveHost) {
    this.#host = host;
  }

  put(versions: readonly ArchivedVersion[]): void {
    if (versions.length === 0) return;
    // M3
    this.#host.put(versions.map((one) => ({ ...one, record: one.record.slice(), anchor: one.anchor?.slice() })));
  }

  drop(document: string): void {
    this.#host.drop(document);
  }

  list(query: Parameter<'list'>, done: Parameters<VersionArchive['list']>[1]): void {
    const { versions, next } = this.#host.rows.list(query);
    this.#host.step(() => done(versions, next));
  }

  wayBack(query: Parameter<'wayBack'>, done: Parameters<VersionArchive['wayBack']>[1]): void {
    const way = this.#host.rows.wayBack(query);
    this.#host.step(() => done(way));
  }

  named(query: Parameter<'named'>, done: Parameters<VersionArchive['named']>[1]): void {
    const named = this.#host.rows.named(query);
    this.#host.step(() => done(named));
  }

  texts(page: Parameter<'texts'>, done: Parameters<VersionArchive['texts']>[1]): void {
    const hashes = this.#host.rows.texts(page);
    this.#host.step(() => done(hashes));
  }
}
