/** What a program does with a document beside editing it. */
import type { Method } from '../../protocol/wire/types.ts';
import type { Reply } from '../../src/client/core.ts';
import { field, items, text } from './checker/values.ts';
import type { Writer } from './document-player.ts';
import type { CareJob } from './swarm-document-care.ts';

export function care({ ask, lane }: Writer, id: string, job: CareJob): void {
  const upon = (
    method: Method,
    list: string,
    of: { readonly place: number; readonly use: (found: string) => void },
  ): void => {
    ask(method, method === 'comment.list' ? { documentId: id } : { id }, (reply) => {
      const found = reply.ok ? items(reply.result, list) : [];
      const chosen = text(found[of.place % Math.max(1, found.length)], 'id');
      if (chosen !== undefined) of.use(chosen);
    });
  };
  const kept = (place: number, use: (snapshotId: string) => void): void =>
    upon('document.snapshots', 'snapshots', { place, use });
  const commented = (place: number, use: (commentId: string) => void): void =>
    upon('comment.list', 'comments', { place, use });
  switch (job.what) {
    case 'rename':
      return named(ask, id, (name) => ask('document.rename', { id, name: `${name.split(' ')[0]} ${job.to}` }, nothing));
    case 'archive':
    case 'unarchive':
      return ask(`document.${job.what}`, { id }, nothing);
    case 'diff':
      return versioned(ask, id, (version) => {
        const from = Math.max(1, version - job.back);
        ask('document.diff', { id, from, ...(job.ahead === undefined ? {} : { to: from + job.ahead }) }, nothing);
      });
    case 'restore':
      return versioned(ask, id, (version) =>
        lane.after(job.thinkMs, () =>
          ask('document.restore', { id, version: Math.max(1, version - job.back) }, nothing),
        ),
      );
    case 'restoreKept':
      return kept(job.place, (snapshotId) => ask('document.restore', { id, snapshotId }, nothing));
    case 'readKept':
      return kept(job.place, (snapshotId) => ask('document.get', { id, snapshotId }, nothing));
    case 'dropKept':
      return kept(job.place, (snapshotId) => ask('document.deleteSnapshot', { id, snapshotId }, nothing));
    case 'keep': {
      const name = job.name === undefined ? {} : { name: job.name };
      if (job.back === 0) return ask('document.snapshot', { id, ...name }, nothing);
      return versioned(ask, id, (version) =>
        ask('document.snapshot', { id, version: Math.max(1, version - job.back), ...name }, nothing),
      );
    }
    case 'kept':
      return ask('document.snapshots', { id }, nothing);
    case 'sections':
      return ask('section.list', { documentId: id }, nothing);
    case 'archived':
      return ask('document.list', { archived: true }, nothing);
    case 'comment':
      return comment({ ask, lane }, id, job);
    case 'comments': {
      const which = job.resolved === undefined ? {} : { resolved: job.resolved };
      return ask('comment.list', { documentId: id, ...which }, nothing);
    }
    case 'resolveComment':
      return commented(job.place, (found) => ask('comment.resolve', { id: found, resolved: job.resolved }, nothing));
    case 'dropComment':
      return commented(job.place, (found) => ask('comment.delete', { id: found }, nothing));
  }
}

function comment({ ask }: Writer, documentId: string, job: Extract<CareJob, { readonly what: 'comment' }>): void {
  const { said: content, place, answers } = job;
  if (place !== undefined)
    return ask('section.list', { documentId }, (reply) => {
      const sections = reply.ok ? items(reply.result, 'sections') : [];
      const sectionId = text(sections[place % Math.max(1, sections.length)], 'id');
      if (sectionId !== undefined) ask('comment.create', { documentId, content, sectionId }, nothing);
    });
  if (!answers) return ask('comment.create', { documentId, content }, nothing);
  ask('comment.list', { documentId }, (reply) => {
    const replyTo = text(reply.ok ? items(reply.result, 'comments').at(-1) : undefined, 'id');
    ask('comment.create', { documentId, content, ...(replyTo === undefined ? {} : { replyTo }) }, nothing);
  });
}

function read(ask: Writer['ask'], id: string, then: (result: unknown) => void): void {
  ask('document.get', { id }, (reply: Reply) => {
    if (reply.ok) then(reply.result);
  });
}

function versioned(ask: Writer['ask'], id: string, then: (version: number) => void): void {
  read(ask, id, (result) => then(Number(field(result, 'version'))));
}

function named(ask: Writer['ask'], id: string, then: (name: string) => void): void {
  read(ask, id, (result) => then(text(field(result, 'document'), 'name') ?? ''));
}

function nothing(): void {}
