/**
 * The disks of the simulated server: what outlives a crash, and a note in the history of everything that becomes
 * durable, is forgotten or is stored as a snapshot.
 */
import { DiskTenant, MemoryDisk, type DiskSnapshot } from '../../src/log/memory-disk.ts';
import type { Recorder } from './recorder.ts';
import type { ServerView } from './server-view.ts';

export interface DiskOptions {
  readonly recorder: Recorder;
  readonly view: ServerView;
  readonly storedBytes: boolean;
  /** A snapshot became durable. */
  readonly snapshot: (tenant: string, snapshot: DiskSnapshot) => void;
}

export class RecordingDisk extends MemoryDisk {
  readonly #options: DiskOptions;

  constructor(options: DiskOptions) {
    super('simulated');
    this.#options = options;
  }

  override tenant(id: string): DiskTenant {
    const known = this.tenants.get(id);
    if (known !== undefined) return known;
    const made = new RecordingTenant(id, this.#options);
    this.tenants.set(id, made);
    return made;
  }

  /** Tells of the snapshots that were stored since the last call. */
  look(): void {
    for (const tenant of this.tenants.values()) if (tenant instanceof RecordingTenant) tenant.look();
  }
}

class RecordingTenant extends DiskTenant {
  readonly #id: string;
  readonly #options: DiskOptions;
  readonly #seen = new WeakSet<DiskSnapshot>();

  constructor(id: string, options: DiskOptions) {
    super(`simulated:${id}`);
    this.#id = id;
    this.#options = options;
  }

  override add(payload: Uint8Array, now: number): void {
    super.add(payload, now);
    const { recorder, view, storedBytes } = this.#options;
    const { seq, ts, chain } = this.head();
    const tenant = this.#id;
    const bytes = this.entries.at(-1)?.bytes ?? new Uint8Array();
    view.book(tenant).entries.push({ seq, epoch: this.epoch, ts, payload });
    recorder.add({
      kind: 'log.append',
      tenant,
      seq,
      epoch: this.epoch,
      ts,
      chain: hex(chain),
      ...(storedBytes ? { stored: hex(bytes) } : {}),
    });
    recorder.add({ kind: 'log.durable', tenant, seq });
  }

  override trim(seq: number): void {
    this.look();
    if (seq > this.base.seq) {
      this.#options.recorder.add({ kind: 'log.trim', tenant: this.#id, seq });
      this.#options.recorder.marks.count('log trimmed');
    }
    super.trim(seq);
  }

  look(): void {
    for (const snapshot of this.snapshots.toReversed()) {
      if (this.#seen.has(snapshot)) continue;
      this.#seen.add(snapshot);
      this.#options.snapshot(this.#id, snapshot);
    }
  }
}

export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex');
}
