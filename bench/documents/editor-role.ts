/** Makes documents, edits and reads them, over one connection. */
import { must } from '../../src/base/assert.ts';
import { connect, type Client } from '../../src/client/node.ts';
import { playRole } from '../harness/role.ts';
import { percentiles, Samples } from '../harness/statistics.ts';
import type { EditOptions, EditorCalls, EditResult, Shape, TimesResult } from './roles.ts';

/** Documents are made so many at once. */
const CREATING = 8;
const SAMPLES_MIN = 8;

/** A document as this process knows it. */
interface Known {
  readonly id: string;
  readonly sections: { readonly id: string; readonly bytes: number; version: number; text: string }[];
}

/** Texts of sections that differ from each other and from edit to edit. */
class Texts {
  #made = 0;

  next(place: number, bytes: number): string {
    this.#made += 1;
    const head = `## Section ${place}\n\nedit ${this.#made}\n`;
    const line = `${String(this.#made).padStart(12, '0')} the quick brown fox jumps over the lazy dog, once again\n`;
    return (head + line.repeat(Math.ceil(bytes / line.length))).slice(0, bytes - 1) + '\n';
  }
}

class Editor {
  readonly #client: Client;
  readonly #known = new Map<string, Known>();
  readonly #texts = new Texts();

  constructor(client: Client) {
    this.#client = client;
  }

  async create({ count, bytes, sections }: Shape & { readonly count: number }): Promise<string[]> {
    const ids: string[] = [];
    const one = async (): Promise<void> => {
      while (ids.length < count) {
        const at = ids.push('') - 1;
        const each = Math.floor(bytes / sections);
        const texts = Array.from({ length: sections }, (_, place) => this.#texts.next(place, each));
        const made = await this.#client.document.create({ name: `bench ${at}`, content: texts.join('') });
        const { id } = made.document;
        const known = texts.map((text, place) => {
          return { id: must(made.sections[place], 'a section'), bytes: each, version: 1, text };
        });
        this.#known.set(id, { id, sections: known });
        ids[at] = id;
      }
    };
    await Promise.all(Array.from({ length: CREATING }, one));
    return ids;
  }

  async edit(options: EditOptions): Promise<EditResult> {
    const { warmMs, measureMs } = options;
    const from = performance.now() + warmMs;
    const to = from + measureMs;
    const samples = new Samples();
    let last = from;
    await this.#all(options, {
      // A machine that is too slow for the window is measured for longer.
      goOn: () => performance.now() < to || samples.length < SAMPLES_MIN,
      done: (beganAt) => {
        const now = performance.now();
        if (now < from || (now >= to && samples.length >= SAMPLES_MIN)) return;
        samples.add(now - beganAt);
        last = now;
      },
    });
    const seconds = Math.max(measureMs, last - from) / 1_000;
    return { perSecond: samples.length / seconds, latenciesMs: samples.values() };
  }

  async age({ id, versions, editors }: { readonly id: string; readonly versions: number; readonly editors: number }) {
    let left = versions - 1;
    const goOn = (): boolean => {
      left -= 1;
      return left >= 0;
    };
    await this.#all({ ids: [id], kind: 'section', editors }, { goOn, done: () => undefined });
    return null;
  }

  /** One after the other, each document in its turn, so that whatever slows the machine slows all of them. */
  async times({ ids, rounds }: { readonly ids: readonly string[]; readonly rounds: number }): Promise<TimesResult> {
    const read = ids.map(() => new Samples());
    const edit = ids.map(() => new Samples());
    for (let round = 0; round < rounds; round += 1) {
      for (const [at, id] of ids.entries()) {
        const known = must(this.#known.get(id), 'a document');
        const beganAt = performance.now();
        await this.#client.document.get({ id });
        const readAt = performance.now();
        must(read[at], 'a document').add(readAt - beganAt);
        await this.#section(known, round % known.sections.length);
        must(edit[at], 'a document').add(performance.now() - readAt);
      }
    }
    const medians = (all: readonly Samples[]): number[] => all.map((samples) => percentiles(samples.values()).p50);
    return { read: medians(read), edit: medians(edit) };
  }

  async past({ id, rounds }: { readonly id: string; readonly rounds: number }) {
    const [read, list] = [new Samples(), new Samples()];
    for (let round = 0; round < rounds; round += 1) {
      const beganAt = performance.now();
      await this.#client.document.get({ id, version: 1 });
      const readAt = performance.now();
      await this.#client.document.history({ id, before: 50 });
      read.add(readAt - beganAt);
      list.add(performance.now() - readAt);
    }
    return { read: percentiles(read.values()).p50, list: percentiles(list.values()).p50 };
  }

  /** Editors take documents in turn, and sections of a document in turn; what somebody edits is passed over. */
  async #all(
    { ids, kind, editors }: Pick<EditOptions, 'ids' | 'kind' | 'editors'>,
    of: { goOn(): boolean; done(beganAt: number): void },
  ): Promise<void> {
    const busy = new Set<unknown>();
    let next = 0;
    const take = (): { readonly known: Known; readonly place: number; readonly what: unknown } => {
      for (;;) {
        const at = next;
        next += 1;
        const known = must(this.#known.get(must(ids[at % ids.length], 'an id')), 'a document');
        const place = Math.floor(at / ids.length) % known.sections.length;
        const what = kind === 'section' ? known.sections[place] : known;
        if (!busy.has(what)) return { known, place, what };
      }
    };
    const one = async (): Promise<void> => {
      while (of.goOn()) {
        const { known, place, what } = take();
        busy.add(what);
        const beganAt = performance.now();
        await (kind === 'section' ? this.#section(known, place) : this.#whole(known, place));
        of.done(beganAt);
        busy.delete(what);
      }
    };
    await Promise.all(Array.from({ length: editors }, one));
  }

  async #section({ id, sections }: Known, place: number): Promise<void> {
    const section = must(sections[place], 'a section');
    const content = this.#texts.next(place, section.bytes);
    const { version } = section;
    const { document } = await this.#client.document.update({ id, version, sectionId: section.id, content });
    section.version = document.version;
    section.text = content;
  }

  /** One at a time for each document: the text of another version is not known here. */
  async #whole({ id, sections }: Known, place: number): Promise<void> {
    const section = must(sections[place], 'a section');
    const text = this.#texts.next(place, section.bytes);
    const content = sections.map((one) => (one === section ? text : one.text)).join('');
    const version = Math.max(...sections.map((one) => one.version));
    const { document } = await this.#client.document.update({ id, version, content });
    section.version = document.version;
    section.text = text;
  }
}

playRole<EditorCalls>(() => {
  let editor: Editor | undefined;
  const connected = (): Editor => must(editor, 'connected');
  return {
    connect: async ({ url, key }) => {
      editor = new Editor(await connect({ url, key, name: 'bench-editor' }));
      return null;
    },
    create: (params) => connected().create(params),
    edit: (params) => connected().edit(params),
    age: (params) => connected().age(params),
    past: (params) => connected().past(params),
    times: (params) => connected().times(params),
  };
});
