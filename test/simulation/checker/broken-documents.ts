/** Broken histories of documents. */
import { acts, conflict, edition, hashOf, ID, section, text, told, type Act, type Cast } from './document-scenes.ts';
import { castOf, lock, seen } from './lock-scenes.ts';
import type { Edit } from './edit.ts';
import type { CareSeen, TopicTold } from './history.ts';
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

interface CareOf {
  readonly who?: 'a' | 'b';
  readonly method: string;
  readonly params: object;
  readonly result?: object;
  readonly told?: readonly TopicTold[];
  readonly care?: Partial<CareSeen>;
  readonly texts?: readonly string[];
}

/** What is done with a document beside editing it. */
function cared({ who = 'a', method, params, result = {}, told: said = [], care = {}, texts = [] }: CareOf): Act {
  const none: CareSeen = { titles: [], snapshots: [], snapshotsGone: [], comments: [], commentsGone: [] };
  return { who, method, params, result, shown: { told: said, care: { ...none, ...care } }, texts };
}

const renamed = (seen: string): Act =>
  cared({
    method: 'document.rename',
    params: { id: ID, name: 'plan 2' },
    told: [told('renamed', { name: 'plan 2' })],
    care: { titles: [{ id: ID, name: seen, archived: false }] },
  });

const archived = (): Act =>
  cared({
    method: 'document.archive',
    params: { id: ID },
    told: [told('archived', {})],
    care: { titles: [{ id: ID, name: 'plan', archived: true }] },
  });

/** Of the first version. */
function kept({ a }: Cast, texts: readonly string[] = [ONE, TWO]): Act {
  const snapshot = { id: 'dsn_1', document: ID, version: 1, by: a };
  return cared({
    method: 'document.snapshot',
    params: { id: ID, version: 1 },
    result: { snapshot },
    told: [told('snapshot', { snapshotId: 'dsn_1' })],
    care: { snapshots: [{ ...snapshot, texts: texts.map(hashOf) }] },
  });
}

const unkept = (): Act =>
  cared({
    method: 'document.deleteSnapshot',
    params: { id: ID, snapshotId: 'dsn_1' },
    told: [told('snapshotDeleted', { snapshotId: 'dsn_1' })],
    care: { snapshotsGone: ['dsn_1'] },
  });

function commented({ a }: Cast, id: string, replyTo?: string): Act {
  const answers = replyTo === undefined ? {} : { replyTo };
  return cared({
    method: 'comment.create',
    params: { documentId: ID, content: `says ${id}`, ...answers },
    result: { comment: { id } },
    told: [told('commented', { commentId: id })],
    care: { comments: [{ id, document: ID, by: a, sha256: hashOf(`says ${id}`), ...answers }] },
    texts: [`says ${id}`],
  });
}

const uncommented = (who: 'a' | 'b', gone: readonly string[]): Act =>
  cared({
    who,
    method: 'comment.delete',
    params: { id: 'cmt_1' },
    told: [told('commentDeleted', { commentId: 'cmt_1' })],
    care: { commentsGone: gone },
  });

/** Whatever is checked of documents is in it. */
export const LAWFUL_DOCUMENTS: Edit = acts((by) => [
  ...[created(by), edited(by), other(by), refused(by), resolved(by), kept(by), unkept(), renamed('plan 2')],
  ...[commented(by, 'cmt_1'), commented(by, 'cmt_2', 'cmt_1'), uncommented('a', ['cmt_1', 'cmt_2'])],
]);

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
  row('36', 'a heading that is swallowed by what stands above it', {
    legal: quiet,
    broken: acts((by) => {
      const [open, under] = ['# one\n\nm1\n', 'two\n===\n\nm2\n\n'];
      const made = edition(1, by.a, sections(['s1', 1, open], ['s2', 1, under]));
      const params = { name: 'plan', content: open + under };
      return [{ ...created(by), params, shown: { versions: [made], told: [] }, texts: [open, under] }];
    }),
  }),
  row('76', 'a name that nobody gave', {
    legal: quiet,
    broken: acts((by) => [created(by), renamed('plan 3')]),
  }),
  row('76', 'an edit of what is archived', {
    legal: quiet,
    broken: acts((by) => [created(by), archived(), edited(by)]),
  }),
  row('76', 'a snapshot with another text', {
    legal: quiet,
    broken: acts((by) => [created(by), edited(by), kept(by, [EDITED, TWO])]),
  }),
  row('76', 'a snapshot that is deleted twice', {
    legal: quiet,
    broken: acts((by) => [created(by), kept(by), unkept(), { ...unkept(), shown: {} }]),
  }),
  row('76', 'an answer that stays when its comment goes', {
    legal: quiet,
    broken: acts((by) => [
      ...[created(by), commented(by, 'cmt_1'), commented(by, 'cmt_2', 'cmt_1'), uncommented('a', ['cmt_1'])],
    ]),
  }),
  row('61', 'a comment that somebody else deletes', {
    legal: quiet,
    broken: acts((by) => [created(by), commented(by, 'cmt_1'), uncommented('b', ['cmt_1'])]),
  }),
  row('41', 'two sections with one id', {
    legal: quiet,
    broken: acts((by) => {
      const made = edition(1, by.a, sections(['s1', 1, ONE], ['s1', 1, TWO]));
      return [{ ...created(by), shown: { versions: [made], told: [] } }];
    }),
  }),
];
