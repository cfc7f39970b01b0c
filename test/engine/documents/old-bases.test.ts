/** Versions that the state keeps no more: edits of them are judged as those of versions that it keeps, and they are kept under names. */
import { afterEach, describe, expect, it } from 'vitest';
import type { WriteMethod } from '../../../protocol/wire/operations.ts';
import { LIMITS } from '../../../protocol/wire/limits.ts';
import { must } from '../../../src/base/assert.ts';
import { ENGINE_VERSION, OLD_BASES_VERSION, type PreparedText, type SectionRecord } from '../../../src/engine/port.ts';
import { sectionsOf } from '../../../src/engine/queries.ts';
import { Random } from '../../simulation/random.ts';
import { Rig } from '../rig.ts';
import { textOf } from './texts.ts';

const BOUNDS = { ...LIMITS };
afterEach(() => void Object.assign(LIMITS, BOUNDS));

/** A document in a state that keeps so many versions, and what a store has of all of them. */
class Kept {
  readonly rig = new Rig();
  readonly id: string;
  readonly #kept: number;
  readonly #ann: string;
  readonly #all = new Map<number, readonly SectionRecord[]>();

  constructor(kept: number, version = ENGINE_VERSION) {
    this.#kept = kept;
    Object.assign(LIMITS, { documentVersionsKept: kept });
    this.rig.one({ kind: 'up', incarnation: 'i1', node: 'n1', version: ENGINE_VERSION });
    for (let next = 2; next <= version; next += 1) this.rig.one({ kind: 'upgrade', version: next });
    this.#ann = this.rig.session({ who: 'key:ann', role: 'member' });
    this.ask('document.create', { name: 'plan', text: textOf(0, ['a', 'b', 'c', 'd']) });
    this.id = [...this.rig.engine.state.documentsById].at(-1)?.id ?? '';
    this.#note();
  }

  get record() {
    return must(this.rig.engine.state.documents.get(this.id), 'the document');
  }

  get texts(): readonly string[] {
    return this.record.sections.map(({ heading }) => heading);
  }

  /** Without what differs by the number of versions that are kept. */
  get conflicts(): unknown[] {
    return [...this.rig.engine.state.conflictsByDocument.after(this.id, '')].map(
      ({ by, baseVersion, version, base, ours, theirs }) => ({ by, baseVersion, version, base, ours, theirs }),
    );
  }

  ask(method: WriteMethod, params: object): string {
    Object.assign(LIMITS, { documentVersionsKept: this.#kept });
    const { reply } = this.rig.ask(this.#ann, method, params);
    return reply.ok ? 'ok' : reply.rejection.code;
  }

  isKept(version: number): boolean {
    return sectionsOf(this.rig.engine.state, this.record, { version }) !== undefined;
  }

  /** As a store has it. */
  sections(version: number): readonly SectionRecord[] {
    return must(this.#all.get(version), 'there was such a version');
  }

  /** With what a node adds of a version that the state has not any more. */
  update(text: PreparedText): string {
    const { base } = text;
    const from = this.sections(base).map(({ sid, version, sha256 }) => ({ sid, version, sha256 }));
    const params = { id: this.id, version: base, text: this.isKept(base) ? text : { ...text, from } };
    const code = this.ask('document.update', params);
    this.#note();
    return code;
  }

  #note(): void {
    const { version, sections } = this.record;
    this.#all.set(version, sections);
  }
}

/** Some edit of some version: mostly of one section, sometimes structural, sometimes one that opens or lies under another. */
function drawn(random: Random, kept: Kept, newest: number): PreparedText {
  const base = random.chance(0.3) ? newest : random.between(1, newest);
  const had = kept.sections(base).map(({ sid, heading }) => ({ sid, heading }));
  const place = random.between(0, had.length - 1);
  const fresh = `n${random.between(0, 3)}`;
  const texts = had.map(({ heading }, at) => (at === place ? fresh : heading));
  const ids = had.map(({ sid }) => sid);
  const sid = must(ids[place], 'a section');
  if (random.chance(0.15)) return textOf(base, [...texts, 'more'], { ids: [...ids, `s${newest + 10}`] });
  if (random.chance(0.1) && had.length > 2) return textOf(base, texts.slice(1), { ids: ids.slice(1) });
  const joints = { ...(random.chance(0.3) ? { open: [sid] } : {}), ...(random.chance(0.3) ? { under: [sid] } : {}) };
  return textOf(base, texts, { ids, alone: random.chance(0.1), ...joints });
}

describe('an edit of a version that the state keeps no more', () => {
  it('is judged as if it were kept, whatever it is', () => {
    const seen = new Map<string, number>();
    for (let seed = 1; seed <= 40; seed += 1) {
      const random = new Random(`old bases ${seed}`);
      const [all, few] = [new Kept(1_000), new Kept(random.pick([1, 2, 4]))];
      for (let step = 0; step < 40; step += 1) {
        const text = drawn(random, all, all.record.version);
        const old = !few.isKept(text.base);
        const codes = [all.update(text), few.update(text)];
        expect(codes[1], `seed ${seed}, step ${step}`).toBe(codes[0]);
        const what = `${String(old)} ${String(codes[0])}`;
        seen.set(what, (seen.get(what) ?? 0) + 1);
      }
      expect([few.record.version, few.record.sections, few.conflicts]).toEqual([
        all.record.version,
        all.record.sections,
        all.conflicts,
      ]);
      expect(few.rig.replayed().state.documents.get(few.id)).toEqual(few.record);
    }
    for (const what of ['true ok', 'true DOCUMENT_CONFLICT', 'false ok', 'false DOCUMENT_CONFLICT'])
      expect(seen.get(what) ?? 0, what).toBeGreaterThan(20);
  });

  it('is to come again if that version left the state while it was prepared', () => {
    const kept = new Kept(2);
    for (let base = 1; base <= 4; base += 1) kept.update(textOf(base, [`x${base}`, 'b', 'c', 'd']));
    const late = { id: kept.id, version: 2, text: textOf(2, ['x1', 'B', 'c', 'd']) };
    expect(kept.ask('document.update', late)).toBe('UNAVAILABLE');
    expect(kept.texts).toEqual(['x4', 'b', 'c', 'd']);
  });

  it('is refused if nobody has that version any more, or it never was', () => {
    const kept = new Kept(2);
    for (let base = 1; base <= 4; base += 1) kept.update(textOf(base, [`x${base}`, 'b', 'c', 'd']));
    for (const version of [1, 9]) expect(kept.ask('document.update', { id: kept.id, version })).toBe('NOT_FOUND');
    const ahead = { ...textOf(9, ['a']), from: [] };
    expect(kept.ask('document.update', { id: kept.id, version: 9, text: ahead })).toBe('NOT_FOUND');
  });

  it('is refused while the state is of a version before, whatever comes with it', () => {
    const kept = new Kept(2, OLD_BASES_VERSION - 1);
    for (let base = 1; base <= 4; base += 1) kept.update(textOf(base, [`x${base}`, 'b', 'c', 'd']));
    expect(kept.update(textOf(1, ['a', 'B', 'c', 'd']))).toBe('NOT_FOUND');
    const sections = kept.sections(1);
    expect(kept.ask('document.snapshot', { id: kept.id, version: 1, sections })).toBe('NOT_FOUND');
  });
});

describe('a snapshot of a version that the state keeps no more', () => {
  it('has the sections that come with the request', () => {
    const kept = new Kept(2);
    for (let base = 1; base <= 4; base += 1) kept.update(textOf(base, [`x${base}`, 'b', 'c', 'd']));
    const sections = kept.sections(1);
    expect(kept.ask('document.snapshot', { id: kept.id, version: 1 })).toBe('NOT_FOUND');
    expect(kept.ask('document.snapshot', { id: kept.id, version: 1, name: 'first', sections })).toBe('ok');
    const [snapshot] = [...kept.rig.engine.state.snapshotsByDocument.after(kept.id, '')];
    expect(snapshot).toMatchObject({ version: 1, name: 'first', sections });
  });

  it('has those of the state where that has them, and is bounded', () => {
    const kept = new Kept(2);
    const bogus = kept.sections(1).slice(1);
    expect(kept.ask('document.snapshot', { id: kept.id, version: 1, sections: bogus })).toBe('ok');
    const [snapshot] = [...kept.rig.engine.state.snapshotsByDocument.after(kept.id, '')];
    expect(snapshot?.sections).toEqual(kept.sections(1));
    for (let n = 1; n < LIMITS.documentSnapshotsMax; n += 1) kept.ask('document.snapshot', { id: kept.id });
    const sections = kept.sections(1);
    expect(kept.ask('document.snapshot', { id: kept.id, version: 1, sections })).toBe('LIMIT_EXCEEDED');
  });
});
