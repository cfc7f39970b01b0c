/**
 * `bench documents`: edits a second of one document and of 1,000, small ones and the largest that there are; whether reading
 * and editing slow down with history; whether the server's heap grows with content.
 *
 * Whoever edits is a process of its own. The history of 10,000 versions was made by so many edits; of them the engine keeps the newest
 * ones (`documentVersionsKept`), and the figures say how many. The first version is read from the store.
 */
import { join } from 'node:path';
import { LIMITS } from '../../protocol/wire/limits.ts';
import { must } from '../../src/base/assert.ts';
import { workerUrl } from '../../src/base/worker-url.ts';
import { Child } from '../harness/child.ts';
import { startMuster, type Muster } from '../harness/muster-server.ts';
import { describeUsage, sample, usage } from '../harness/processor-time.ts';
import type { Figure, Ratio, Scenario, ScenarioContext, ScenarioReport } from '../harness/scenario.ts';
import { atMost, figure, median, percentiles } from '../harness/statistics.ts';
import { memoryOf } from '../idle/memory.ts';
import type { EditKind, EditorCalls } from './roles.ts';

const KIB = 1_024;
const SECTIONS = 16;
const SMALL = 10 * KIB;
/** More than one message has room for: it travels in pieces. */
const LARGE = 1_024 * KIB;
const MANY = 1_000;
const QUICK_MANY = 20;
const EDITORS = 16;
const VERSIONS = 10_000;
const QUICK_VERSIONS = 100;
const WARM_MS = 1_000;
const MEASURE_MS = 6_000;
const QUICK_MEASURE_MS = 300;
const ROUNDS = 600;
const QUICK_ROUNDS = 16;
/** What reading and editing may take of a document with a long history, of what they take of a new one. */
const SLOWER = 1.2;
/** What the heap may grow by for each byte of content: hashes and sizes do not count it. */
const HEAP_SHARE = 0.01;
const REST_MS = 2_000;

interface Load {
  readonly documents: number;
  readonly bytes: number;
  readonly kind: EditKind;
}

const sizeOf = (bytes: number): string => `${bytes / KIB} KiB`;
const nameOf = ({ documents, bytes, kind }: Load): string =>
  `${documents === 1 ? 'one document' : `${documents} documents`} of ${sizeOf(bytes)}, ${kind === 'section' ? 'by section' : 'whole'}`;

interface Bed {
  readonly server: Muster;
  readonly editor: Child<EditorCalls>;
  readonly memory: () => Promise<number>;
}

/** Bytes of the heap of the main thread, which has the engine, and of buffers beside it. */
async function startBed(context: ScenarioContext): Promise<Bed> {
  const { cleanup } = context;
  const data = cleanup.directory(context.dir, 'muster-');
  const file = join(data, 'memory.json');
  const server = await startMuster({
    data,
    cleanup,
    env: { MEMORY_FILE: file },
    execArgv: ['--expose-gc', '--import', workerUrl(import.meta.url, '../idle/memory-probe.ts').href],
  });
  const editor = await Child.start<EditorCalls>({ module: './editor-role.ts', base: import.meta.url, cleanup });
  await editor.call('connect', { url: server.url, key: server.key });
  const memory = async (): Promise<number> => {
    await new Promise((resolve) => setTimeout(resolve, REST_MS));
    const { heapUsed, external } = await memoryOf(server.process.pid, file);
    return heapUsed + external;
  };
  return { server, editor, memory };
}

class Run {
  readonly #context: ScenarioContext;
  readonly #many: number;
  readonly rates = new Map<string, number[]>();
  readonly p99s = new Map<string, number[]>();
  readonly slower: { readonly read: number[]; readonly edit: number[] } = { read: [], edit: [] };
  readonly times: { readonly read: number[]; readonly edit: number[] } = { read: [], edit: [] };
  /** Of the first version. */
  readonly past: { readonly read: number[]; readonly list: number[] } = { read: [], list: [] };
  readonly heap = new Map<number, number[]>();
  cores = '';

  constructor(context: ScenarioContext) {
    this.#context = context;
    this.#many = context.quick ? QUICK_MANY : MANY;
  }

  async round(): Promise<void> {
    const bed = await startBed(this.#context);
    // What the server needs for any document is there before it is asked what it takes.
    await bed.editor.call('create', { count: 16, bytes: LARGE, sections: SECTIONS });
    for (const bytes of [SMALL, LARGE]) await this.#size(bed, bytes);
    await this.#history(bed);
    await bed.editor.stop();
    await bed.server.process.stop();
  }

  async #size(bed: Bed, bytes: number): Promise<void> {
    const shape = { bytes, sections: SECTIONS };
    const [one] = await bed.editor.call('create', { ...shape, count: 1 });
    const before = await bed.memory();
    const ids = await bed.editor.call('create', { ...shape, count: this.#many });
    const grown = (await bed.memory()) - before;
    add(this.heap, bytes, grown / this.#many);
    this.#context.say(
      `  ${this.#many} documents of ${sizeOf(bytes)}: ${(grown / this.#many / KIB).toFixed(2)} KiB of heap each`,
    );
    for (const kind of ['section', 'whole'] as const) {
      await this.#edits(bed, { documents: 1, bytes, kind }, [must(one, 'a document')]);
      await this.#edits(bed, { documents: this.#many, bytes, kind }, ids);
    }
  }

  async #edits({ editor, server }: Bed, load: Load, ids: readonly string[]): Promise<void> {
    const { quick } = this.#context;
    const pids = new Map([
      ['server', server.process.pid],
      ['editors', editor.pid],
    ]);
    const before = sample(pids);
    const { perSecond, latenciesMs } = await editor.call('edit', {
      ids,
      kind: load.kind,
      // Of one document whole texts come one at a time: each is made of the one before.
      editors: load.kind === 'whole' && load.documents === 1 ? 1 : EDITORS,
      warmMs: quick ? 0 : WARM_MS,
      measureMs: quick ? QUICK_MEASURE_MS : MEASURE_MS,
    });
    this.cores = describeUsage(usage(before, sample(pids)));
    const { p99 } = percentiles(latenciesMs);
    add(this.rates, nameOf(load), perSecond);
    add(this.p99s, nameOf(load), p99);
    this.#context.say(`  ${nameOf(load)}: ${perSecond.toFixed(0)} edits/s, p99 ${p99.toFixed(1)} ms (${this.cores})`);
  }

  async #history({ editor }: Bed): Promise<void> {
    const { quick } = this.#context;
    const versions = quick ? QUICK_VERSIONS : VERSIONS;
    const made = await editor.call('create', { count: 2, bytes: SMALL, sections: SECTIONS });
    await editor.call('age', { id: must(made[1], 'a document'), versions, editors: EDITORS });
    const rounds = quick ? QUICK_ROUNDS : ROUNDS;
    const past = await editor.call('past', { id: must(made[1], 'a document'), rounds });
    this.past.read.push(past.read);
    this.past.list.push(past.list);
    this.#context.say(
      `  version 1 of ${versions}: read in ${past.read.toFixed(2)} ms, the last page of them in ${past.list.toFixed(2)} ms`,
    );
    const { read, edit } = await editor.call('times', { ids: made, rounds });
    for (const [name, [fresh = 0, old = 0]] of [
      ['read', read],
      ['edit', edit],
    ] as const) {
      this.slower[name].push(old / fresh);
      this.times[name].push(old);
      this.#context.say(
        `  ${name} after ${versions} versions: ${old.toFixed(2)} ms, of a new document ${fresh.toFixed(2)} ms`,
      );
    }
  }
}

function add<K>(to: Map<K, number[]>, key: K, value: number): void {
  to.set(key, [...(to.get(key) ?? []), value]);
}

async function run(context: ScenarioContext): Promise<ScenarioReport> {
  const runs = new Run(context);
  for (let round = 0; round < context.runs; round += 1) await runs.round();
  const figures: Record<string, Figure> = {};
  for (const [name, rates] of runs.rates) {
    figures[name] = figure(rates, 'edits/s');
    figures[`${name}, p99`] = figure(must(runs.p99s.get(name), 'measured'), 'ms');
  }
  const versions = context.quick ? QUICK_VERSIONS : VERSIONS;
  const kept = `after ${versions} versions (${LIMITS.documentVersionsKept} kept)`;
  figures[`read version 1 of ${versions}`] = figure(runs.past.read, 'ms');
  figures[`list the first of ${versions} versions`] = figure(runs.past.list, 'ms');
  const ratios: Record<string, Ratio> = {};
  for (const name of ['read', 'edit'] as const) {
    figures[`${name} ${kept}`] = figure(runs.times[name], 'ms');
    ratios[`${name} ${kept}, of a new document`] = atMost(median(runs.slower[name]), SLOWER);
  }
  const heapOf = (bytes: number): number[] => must(runs.heap.get(bytes), 'measured');
  for (const bytes of [SMALL, LARGE]) {
    figures[`heap for a document of ${sizeOf(bytes)}`] = figure(
      heapOf(bytes).map((grown) => grown / KIB),
      'KiB',
    );
  }
  const shares = heapOf(LARGE).map((grown, at) => (grown - must(heapOf(SMALL)[at], 'a pair')) / (LARGE - SMALL));
  ratios['bytes of heap for each byte more of content'] = atMost(median(shares), HEAP_SHARE);
  return { figures, ratios, bottleneck: `cores at the last load: ${runs.cores}` };
}

export const documents: Scenario = {
  name: 'documents',
  summary: 'edits a second of documents, with their history, and what content costs the heap',
  runs: 3,
  run,
};
