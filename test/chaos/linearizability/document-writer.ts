/** A client that reads and edits documents, over and over, and notes each call with its times. It is not killed; the server is. */
import { sharedMs } from '../../../bench/harness/shared-clock.ts';
import { MusterError, type Client, type Value } from '../../../src/client/node.ts';
import { Random } from '../random.ts';
import type { DocumentInput, DocumentOperation, DocumentOutput, DocumentValue } from './document-model.ts';
import type { Player } from './storm.ts';

export interface WriterPlan {
  readonly name: string;
  readonly seed: number;
  readonly turns: number;
  readonly documents: readonly string[];
}

const THINK_MS_MAX = 12;
const ONLY_READS = 0.2;
/** Of what it read before, as somebody does who has been away. */
const FROM_MEMORY = 0.3;
const WHOLE = 0.25;

/** What it read of a document. */
interface Got {
  readonly value: DocumentValue;
  readonly ids: readonly string[];
}

export class Writer implements Player<DocumentOperation> {
  readonly #client: Client;
  readonly #plan: WriterPlan;
  readonly #random: Random;
  readonly #history: DocumentOperation[] = [];
  readonly #read = new Map<string, Got>();

  constructor(client: Client, plan: WriterPlan) {
    this.#client = client;
    this.#plan = plan;
    this.#random = new Random(plan.seed);
  }

  async run(turned: () => void): Promise<readonly DocumentOperation[]> {
    for (let turn = 0; turn < this.#plan.turns; turn += 1) {
      await this.#turn(this.#random.pick(this.#plan.documents), `${this.#plan.name}-${turn}`);
      turned();
    }
    for (const document of this.#plan.documents) await this.#get(document);
    await this.#client.close();
    return this.#history;
  }

  async #turn(document: string, marker: string): Promise<void> {
    const remembered = this.#random.chance(FROM_MEMORY) ? this.#read.get(document) : undefined;
    const got = remembered ?? (await this.#get(document));
    if (this.#random.chance(ONLY_READS)) return;
    await pause(this.#random.between(0, THINK_MS_MAX));
    await this.#edit(document, got, marker);
  }

  async #get(document: string): Promise<Got> {
    const calledAt = sharedMs();
    const { document: view, version, content } = await this.#client.document.get({ id: document });
    const texts = content.split(/^(?=# )/m);
    const sections = view.sections.map((section, at) => ({
      version: section.version,
      markers: texts[at]?.match(/^w\S+$/gm) ?? [],
    }));
    const got = { value: { version, sections }, ids: view.sections.map(({ id }) => id) };
    this.#note({ document, calledAt }, { kind: 'read' }, { read: got.value });
    this.#read.set(document, got);
    return got;
  }

  async #edit(document: string, { value, ids }: Got, marker: string): Promise<void> {
    const section = this.#random.between(0, ids.length - 1);
    const markers = [...(value.sections[section]?.markers ?? []), marker];
    const input = { kind: 'edit', section, base: value.version, markers } as const;
    const texts = value.sections.map((one, at) => textOf(at, at === section ? markers : one.markers));
    const made = this.#random.chance(WHOLE)
      ? { content: texts.join('') }
      : { content: texts[section] ?? '', sectionId: ids[section] ?? '' };
    const calledAt = sharedMs();
    try {
      const done = await this.#client.document.update({ id: document, version: value.version, ...made });
      this.#note({ document, calledAt }, input, { made: done.document.version });
    } catch (error) {
      const refusal = refusalOf(error);
      this.#note({ document, calledAt }, input, { refusedOn: refusal.currentVersion });
      // Nobody is to look at it; a document has room for a few.
      if (refusal.conflictId !== undefined)
        await this.#client.document.resolve({ conflictId: refusal.conflictId, resolution: 'theirs' });
    }
  }

  #note(
    of: { readonly document: string; readonly calledAt: number },
    input: DocumentInput,
    output: DocumentOutput,
  ): void {
    this.#history.push({ ...of, client: this.#plan.name, input, output, returnedAt: sharedMs() });
  }
}

export function textOf(section: number, markers: readonly string[]): string {
  return `# section ${section + 1}\n\n${markers.map((marker) => `${marker}\n`).join('')}\n`;
}

/** Anything but a conflict, or one for which there was no room, is thrown. */
function refusalOf(error: unknown): { readonly currentVersion: number; readonly conflictId: string | undefined } {
  if (!(error instanceof MusterError) || !['DOCUMENT_CONFLICT', 'LIMIT_EXCEEDED'].includes(error.code)) throw error;
  const { currentVersion, conflictId } = membersOf(error.details);
  if (typeof currentVersion !== 'number') throw error;
  return { currentVersion, conflictId: typeof conflictId === 'string' ? conflictId : undefined };
}

function membersOf(details: Value | undefined): { readonly [name: string]: Value | undefined } {
  return typeof details === 'object' && details !== null && !Array.isArray(details) && !(details instanceof Uint8Array)
    ? Object.fromEntries(Object.entries(details))
    : {};
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}
