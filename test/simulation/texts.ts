/**
 * Where the simulated server keeps texts of documents: a disk that outlives it, and the thread that works upon them, which takes its time.
 *
 * T1 What was put is in the history when it is durable; what is under way when the server crashes is durable or not, and nobody is told.
 * T2 What a sweep removes is in the history too. What nobody names is removed soon: by a sweep a second after the one that found it.
 */
import { hash } from 'node:crypto';
import { workInPlace, type RunWork } from '../../src/documents/in-place.ts';
import type { DocumentTexts } from '../../src/node/documents.ts';
import { MemoryBlobDisk, MemoryBlobs } from '../../src/store/blobs/memory.ts';
import type { Blobs } from '../../src/store/blobs/port.ts';
import type { Random } from './random.ts';
import type { Recorder } from './recorder.ts';
import type { Lane } from './scheduler.ts';

const FLUSH_MS = 20;
const WORK_MS = 30;
const UNREFERENCED_MS = 1_000;
/** Of what is being written when the server crashes. */
const KEPT_SHARE = 0.5;

interface Put {
  readonly tenant: string;
  readonly data: readonly Uint8Array[];
}

export class TextDisk {
  readonly #disk = new MemoryBlobDisk();
  readonly #recorder: Recorder;
  /** Made when it is used first: most runs have no documents. */
  #work: RunWork | undefined;
  #writing = new Set<Put>();

  constructor(recorder: Recorder) {
    this.#recorder = recorder;
  }

  /** As a process has it. */
  open(lane: Lane, random: Random): DocumentTexts {
    const blobs = new MemoryBlobs({
      scheduler: lane,
      disk: this.#disk,
      commitMs: () => random.between(0, FLUSH_MS),
    });
    return {
      blobs: this.#told(blobs),
      run: (name, input, done) => {
        this.#work ??= workInPlace((run) => run());
        const work = this.#work;
        lane.after(random.between(0, WORK_MS), () => work(name, input, done));
      },
    };
  }

  /** T1 */
  crash(random: Random): void {
    const writing = this.#writing;
    this.#writing = new Set();
    for (const { tenant, data } of writing) {
      if (!random.chance(KEPT_SHARE)) continue;
      for (const one of data)
        this.#disk.of(tenant).set(hash('sha256', one, 'hex'), { data: one, orphanedAt: undefined });
      this.#kept({ tenant, data });
    }
  }

  /** What passes between the server and its blobs, as far as it changes what is kept. */
  #told(blobs: Blobs): Blobs {
    return {
      put: (tenant, data, done) => {
        const put = { tenant, data };
        this.#writing.add(put);
        blobs.put(tenant, data, (outcome) => {
          this.#writing.delete(put);
          this.#kept(put);
          done(outcome);
        });
      },
      settle: (tenant, settling, done) => {
        const before = new Set(this.#disk.of(tenant).keys());
        blobs.settle(tenant, { ...settling, unreferencedMs: UNREFERENCED_MS }, (removed) => {
          for (const sha256 of before)
            if (!this.#disk.of(tenant).has(sha256)) this.#recorder.add({ kind: 'text.gone', tenant, sha256 });
          this.#recorder.marks.count('text removed that nobody names', removed.count);
          done(removed);
        });
      },
      hold: (tenant, hashes, done) => blobs.hold(tenant, hashes, done),
      has: (tenant, hashes, done) => blobs.has(tenant, hashes, done),
      get: (tenant, name, done) => blobs.get(tenant, name, done),
      list: (tenant, page, done) => blobs.list(tenant, page, done),
      usage: (tenant, done) => blobs.usage(tenant, done),
      close: (done) => blobs.close(done),
    };
  }

  #kept({ tenant, data }: Put): void {
    for (const one of data) {
      const sha256 = hash('sha256', one, 'hex');
      if (!this.#disk.of(tenant).has(sha256)) continue;
      this.#recorder.add({ kind: 'text.kept', tenant, sha256, text: Buffer.from(one).toString('utf8') });
    }
  }
}
