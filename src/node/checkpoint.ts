/**
 * Checkpoints: the state becomes a snapshot, the log is trimmed.
 *
 * C1 A snapshot counts only when the store has made durable what left memory before it: until then the log has it, and
 *    a start that replays it puts it into the store again.
 * C2 The same holds for the history up to it: the ring begins at the snapshot.
 * C3 The log is trimmed to the older of the two newest snapshots, so a damaged newest one costs time, not data.
 * C4 Records are encoded from held references in slices of a millisecond; serving goes on between them. What did not
 *    change since the last snapshot is not encoded again (snapshot-chunks.ts).
 * C5 It is written in small pieces with rests between them: the commits of running work use the same disk.
 * C6 Beside other nodes a snapshot counts only if another one had the same hash after the same entry (beside-checkpoints.ts).
 */
import { decodeValue } from '../../protocol/wire/codec.ts';
import { assert, must } from '../base/assert.ts';
import type { Scheduler } from '../base/scheduler.ts';
import type { Engine } from '../engine/engine.ts';
import { holdImage, loadRecord, StateHasher, type LoadedRecord, type Sha256 } from '../engine/kernel/image.ts';
import type { LogFault, SnapshotMeta, SnapshotStore, SnapshotWriter } from '../log/port.ts';
import type { TenantStore } from '../store/port.ts';
import { ChunkEncoder, type KeptChunks } from './snapshot-chunks.ts';
import type { Tenant } from './tenant.ts';

export interface CheckpointParts {
  readonly tenant: Tenant;
  readonly store: TenantStore;
  readonly snapshots: SnapshotStore;
  readonly scheduler: Scheduler;
  readonly sha256: Sha256;
  /** Chunks of this tenant's last snapshot. */
  readonly kept: KeptChunks;
  readonly chunkBytes?: number | undefined;
  /** Beside other nodes: asked when all is written, before it counts (C6). `done` is told why it does not. */
  readonly confirm?: (made: SnapshotMeta, done: (refused: string | undefined) => void) => void;
}

/** A slice is followed by a rest five times as long: a checkpoint takes a sixth of the thread while it lasts. */
const SLICE_MS = 1;
const REST_MS = 5;
/** While work goes on and much is still to be written, each piece of which costs the thread a third of a millisecond and the disk one or two. */
const BUSY_REST_MS = 20;
const MUCH = 16;
/** Also a bound by count, for clocks that stand still in a slice. */
const SLICE_RECORDS = 1_000;
const KEEP = 2;

export type CheckpointDone = (
  outcome:
    | {
        readonly seq: number;
        readonly ms: number;
        readonly bytes: number;
        /** So many chunks were those of the last snapshot. */
        readonly reused: number;
      }
    | { readonly error: Error }
    | { readonly skipped: string },
) => void;

/** One checkpoint of one tenant, from the image to the trim. */
export function checkpoint(parts: CheckpointParts, done: CheckpointDone): void {
  const { tenant } = parts;
  if (!tenant.serving) return done({ skipped: 'not serving' });
  // Held at the end of the turn, between two entries.
  parts.scheduler.defer(() => hold(parts, done));
}

/** Of the state as it is, which must be that after an entry. */
export function hold(parts: CheckpointParts, done: CheckpointDone): void {
  const { tenant } = parts;
  if (!tenant.serving) return done({ skipped: 'not serving' });
  const began = parts.scheduler.mono();
  const image = holdImage(tenant.engine.state);
  const { counters } = tenant.engine.state;
  const head = must(tenant.head, 'a serving tenant has applied an entry');
  assert(head.seq === counters.seq, 'the state is that of the last entry applied');
  const { kept, sha256, chunkBytes } = parts;
  const encoder = new ChunkEncoder({ records: image.records(), kept, sha256, chunkBytes });
  const about = { seq: head.seq, chain: head.chain, epoch: counters.epoch, engineVersion: counters.engineVersion };
  encodeSlices(parts.scheduler, encoder, () => {
    const meta: SnapshotMeta = { ...about, stateHash: encoder.hex(), createdAt: parts.scheduler.now() };
    const chunks = encoder.chunks.map(({ bytes }) => bytes);
    const { reused } = encoder;
    parts.store.flush(() => write(parts, { meta, chunks, began, reused }, done));
  });
}

function encodeSlices(scheduler: Scheduler, encoder: ChunkEncoder, done: () => void): void {
  const slice = (): void => {
    const until = scheduler.mono() + SLICE_MS;
    for (let i = 0; i < SLICE_RECORDS; i += 1) {
      if (!encoder.step()) return done();
      if (i % 16 === 15 && scheduler.mono() >= until) break;
    }
    scheduler.after(REST_MS, slice);
  };
  slice();
}

function write(
  parts: CheckpointParts,
  made: {
    readonly meta: SnapshotMeta;
    readonly chunks: Uint8Array[];
    readonly began: number;
    readonly reused: number;
  },
  done: CheckpointDone,
): void {
  const bytes = made.chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  const writer: SnapshotWriter = parts.snapshots.begin(parts.tenant.id, made.meta);
  const failed = (fault: LogFault): void => {
    writer.abort();
    done({ error: fault });
  };
  let seen = parts.tenant.head?.seq;
  const restMs = (): number => {
    const busy = parts.tenant.head?.seq !== seen;
    seen = parts.tenant.head?.seq;
    return busy && made.chunks.length >= MUCH ? BUSY_REST_MS : REST_MS;
  };
  const next = (): void => {
    const chunk = made.chunks.shift();
    if (chunk !== undefined) {
      return writer.chunk(chunk, (fault) => {
        if (fault !== undefined) return failed(fault);
        parts.scheduler.after(restMs(), next); // C5
      });
    }
    if (parts.confirm === undefined) return commit();
    parts.confirm(made.meta, (refused) => {
      if (refused === undefined) return commit();
      writer.abort();
      done({ skipped: refused });
    });
  };
  const commit = (): void =>
    writer.commit((fault) => {
      if (fault !== undefined) return failed(fault);
      const { meta, began, reused } = made;
      trim(parts, () => done({ seq: meta.seq, bytes, ms: parts.scheduler.mono() - began, reused }));
    });
  next();
}

function trim(parts: CheckpointParts, done: () => void): void {
  const { tenant, snapshots } = parts;
  snapshots.prune(tenant.id, KEEP, () => {
    snapshots.list(tenant.id, (metas) => {
      const oldest = metas.length >= KEEP ? metas[KEEP - 1] : undefined;
      if (oldest === undefined) return done();
      tenant.log.trim(oldest.seq, done);
    });
  });
}

export interface Loaded {
  readonly engine: Engine;
  readonly seq: number;
  readonly chain?: Uint8Array;
}

export interface LoadParts {
  readonly tenant: string;
  readonly snapshots: SnapshotStore;
  readonly sha256: Sha256;
  /** An empty engine to load into; another one for each try. */
  readonly fresh: () => Engine;
  /** Only those of this entry or of earlier ones. */
  readonly upTo?: number;
  /** A snapshot that could not be used. */
  readonly damaged: (seq: number, why: string) => void;
}

/** The newest snapshot whose bytes and state hash are right, or the empty state. */
export function loadNewest(parts: LoadParts, done: (loaded: Loaded) => void): void {
  parts.snapshots.list(parts.tenant, (all) => {
    const metas = all.filter(({ seq }) => seq <= (parts.upTo ?? Infinity));
    const attempt = (i: number): void => {
      const meta = metas[i];
      if (meta === undefined) return done({ engine: parts.fresh(), seq: 0 });
      loadSnapshot(parts, meta, (engine) => {
        if (engine === undefined) attempt(i + 1);
        else done({ engine, seq: meta.seq, chain: meta.chain });
      });
    };
    attempt(0);
  });
}

/** Undefined: it cannot be used, which `damaged` was told. */
export function loadSnapshot(parts: LoadParts, meta: SnapshotMeta, done: (engine: Engine | undefined) => void): void {
  const engine = parts.fresh();
  const hasher = new StateHasher(parts.sha256);
  let problem: string | undefined;
  const onChunk = (chunk: Uint8Array): void => {
    if (problem !== undefined) return;
    try {
      loadChunk(engine, hasher, chunk);
    } catch (error) {
      problem = error instanceof Error ? error.message : String(error);
    }
  };
  parts.snapshots.read({ tenant: parts.tenant, seq: meta.seq }, onChunk, (fault) => {
    problem ??= fault?.message;
    if (problem === undefined && hasher.hex() !== meta.stateHash) problem = 'the state hash is another';
    if (problem !== undefined) parts.damaged(meta.seq, problem);
    done(problem === undefined ? engine : undefined);
  });
}

function loadChunk(engine: Engine, hasher: StateHasher, chunk: Uint8Array): void {
  const view = new DataView(chunk.buffer, chunk.byteOffset, chunk.byteLength);
  for (let at = 0; at < chunk.length;) {
    const length = view.getUint32(at);
    assert(at + 4 + length <= chunk.length, 'a record ends within its chunk');
    const bytes = chunk.subarray(at + 4, at + 4 + length);
    hasher.add(bytes);
    loadRecord(engine.state, decodeValue(bytes) as unknown as LoadedRecord);
    at += length + 4;
  }
}
