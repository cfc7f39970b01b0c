/** Broken histories of documents. */
import { acts, conflict, edition, hashOf, ID, section, text, told, type Act, type Cast } from './document-scenes.ts';
import { castOf, lock, seen } from './lock-scenes.ts';
import type { Edit } from './edit.ts';
import { create } from './stories.ts';
import { row, told as story, type Row } from './story-book.ts';

const quiet = story((made) => void create(made));

const ONE = text('one', 'm1');
const TWO = text('two', 'm2');
const EDITED = text('one', 'm1', 'm3');
const OTHER = text('two', 'm2', 'm4');
const REFUSED = text('one', 'm1', 'm5');
const RESOLVED = text('one', 'm1', 'm3', 'm5');

const sections = (...list: readonly (readonly [id: string, version: number, text: string])[]) =>
  list.map(([id, version, said]) => section(id, version, said));

function created({ a }: Cast): Act {
  const made = edition(1, a, sections(['s1', 1, ONE], ['s2', 1, TWO]));
  return {
    who: 'a',
    method: 'document.create',
    params: { name: 'plan', content: ONE + TWO },
    result: { document: { id: ID, version: 1 }, sections: ['s1', 's2'] },
    shown: { versions: [made], told: [told('created', { version: 1 })] },
    texts: [ONE, TWO],
  };
}

/** Of section s1, of the first version. */
function edited({ a }: Cast, more: Partial<Act> = {}): Act {
  const made = edition(2, a, sections(['s1', 2, EDITED], ['s2', 1, TWO]));
  return {
    who: 'a',
    method: 'document.update',
    params: { id: ID, version: 1, sectionId: 's1', content: EDITED },
    result: { document: { id: ID, version: 2 }, sections: ['s1'] },
    shown: { versions: [made], told: [told('updated', { version: 2, sections: ['s1'] })] },
    texts: [EDITED],
    ...more,
  };
}

/** Of section s2, of the first version too. */
function other({ b }: Cast): Act {
  const made = edition(3, b, sections(['s1', 2, EDITED], ['s2', 3, OTHER]));
  return {
    who: 'b',
    method: 'document.update',
    params: { id: ID, version: 1, content: ONE + OTHER },
    result: { document: { id: ID, version: 3 }, sections: ['s2'] },
    shown: { versions: [made], told: [told('updated', { version: 3, sections: ['s2'] })] },
    texts: [OTHER],
  };
}

function refused({ b }: Cast): Act {
  const kept = conflict(b, {
    base: [ONE, TWO].map(hashOf),
    ours: [REFUSED, TWO].map(hashOf),
    theirs: [EDITED, OTHER].map(hashOf),
    version: 3,
  });
  return {
    who: 'b',
    method: 'document.update',
    params: { id: ID, version: 1, sectionId: 's1', content: REFUSED },
    result: { conflictId: 'dcf_1', currentVersion: 3 },
    code: 'DOCUMENT_CONFLICT',
    shown: { conflicts: [kept], told: [told('conflict', { conflictId: 'dcf_1', version: 3 })] },
    texts: [REFUSED],
  };
}

function resolved({ b }: Cast): Act {
  const made = edition(4, b, sections(['s1', 4, RESOLVED], ['s2', 3, OTHER]));
  return {
    who: 'b',
    method: 'document.resolve',
    params: { conflictId: 'dcf_1', resolution: 'manual', content: RESOLVED + OTHER },
    result: { conflictId: 'dcf_1', document: { id: ID, version: 4 }, sections: ['s1'] },
    shown: {
      versions: [made],
      ended: ['dcf_1'],
      told: [told('updated', { version: 4, sections: ['s1'] }), told('resolved', { conflictId: 'dcf_1', version: 4 })],
    },
    texts: [RESOLVED],
  };
}

/** Whatever is checked of documents is in it. */
export const LAWFUL_DOCUMENTS: Edit = acts((by) => [created(by), edited(by), other(by), refused(by), resolved(by)]);

const REPLACED = text('one', 'm5');

/** Section s1 again, by somebody who had read the first version alone. */
function overwritten({ b }: Cast): Act {
  const made = edition(3, b, sections(['s1', 3, REPLACED], ['s2', 1, TWO]));
  return {
    who: 'b',
    method: 'document.update',
    params: { id: ID, version: 1, sectionId: 's1', content: REPLACED },
    result: { document: { id: ID, version: 3 }, sections: ['s1'] },
    shown: { versions: [made], told: [told('updated', { version: 3, sections: ['s1'] })] },
    texts: [REPLACED],
  };
}

/** What a read of the document says it is. */
function read(content: string): Edit {
  return (events) => {
    const { a } = castOf(events);
    const last = events.findLast((event) => event.kind === 'applied' && event.tenant === 'a');
    const rev = last?.kind === 'applied' ? last.rev : 0;
    const at = events.at(-1)?.at ?? 0;
    const about = { conn: a.conn, session: a.session, reqId: 3_000 };
    const views = sections(['s1', 1, ONE], ['s2', 1, TWO]);
    const document = { id: ID, version: 1, updatedBy: 'nobody', sections: views };
    return [
      ...events,
      { kind: 'invoke', at, opId: 'read', ...about, method: 'document.get', params: { id: ID } },
      { kind: 'answer', at, ...about, ok: true, rev, result: { document, version: 1, content } },
    ];
  };
}

export const BROKEN_DOCUMENTS: readonly Row[] = [
  row('35', 'an edit that makes two versions', {
    legal: quiet,
    broken: acts((by) => {
      const made = edition(3, by.a, sections(['s1', 3, EDITED], ['s2', 1, TWO]));
      return [created(by), edited(by, { shown: { versions: [made], told: [] } })];
    }),
  }),
  row('36', 'a text that is not durable when it is named', {
    legal: quiet,
    broken: acts((by) => [created(by), edited(by, { texts: [] })]),
  }),
  row('36', 'a version with a text that nobody sent', {
    legal: quiet,
    broken: acts((by) => {
      const made = edition(2, by.a, sections(['s1', 2, OTHER], ['s2', 1, TWO]));
      return [created(by), edited(by, { shown: { versions: [made], told: [] }, texts: [OTHER] })];
    }),
  }),
  row('37', 'an edit that overwrites what it had not read', {
    legal: quiet,
    broken: acts((by) => [created(by), edited(by), overwritten(by)]),
  }),
  row('38', 'a read of a text that the document never had', {
    legal: quiet,
    broken: (events) => read(TWO + ONE)(acts((by) => [created(by)])(events)),
  }),
  row('39', 'edits of different sections that conflict', {
    legal: quiet,
    broken: acts((by) => {
      const kept = conflict(by.b, {
        base: [ONE, TWO].map(hashOf),
        ours: [ONE, OTHER].map(hashOf),
        theirs: [EDITED, TWO].map(hashOf),
        version: 2,
      });
      const said = told('conflict', { conflictId: 'dcf_1', version: 2 });
      const { params, texts } = other(by);
      const code = 'DOCUMENT_CONFLICT';
      const result = { conflictId: 'dcf_1', currentVersion: 2 };
      const shown = { conflicts: [kept], told: [said] };
      return [created(by), edited(by), { who: 'b', method: 'document.update', params, result, code, shown, texts }];
    }),
  }),
  row('39', 'a conflict that is resolved twice', {
    legal: quiet,
    broken: acts((by) => {
      const again: Act = {
        ...resolved(by),
        params: { conflictId: 'dcf_1', resolution: 'theirs' },
        shown: {},
        texts: [],
      };
      return [created(by), edited(by), other(by), refused(by), resolved(by), again];
    }),
  }),
  row('40', 'an edit of what another has locked', {
    legal: quiet,
    broken: (events) => {
      const { b } = castOf(events);
      const held = { locks: seen({ held: [lock(1, b.session, `document/${ID}/s1`)] }) };
      return acts((by) => [{ ...created(by), beside: held }, edited(by)])(events);
    },
  }),
  row('41', 'two sections with one id', {
    legal: quiet,
    broken: acts((by) => {
      const made = edition(1, by.a, sections(['s1', 1, ONE], ['s1', 1, TWO]));
      return [{ ...created(by), shown: { versions: [made], told: [] } }];
    }),
  }),
];
