/**
 * Locks as far as documents mind them (40): what others have locked throughout an entry is not edited in it, and a token that an edit names is
 * that of a lock which its caller has on what it touches.
 */
import { documentPath } from '../../../protocol/wire/documents.ts';
import type { LockView } from '../../../protocol/wire/locks.ts';
import type { Doc } from './document-book.ts';
import type { EventOf } from './history.ts';
import { membersOf } from './lock-book.ts';
import type { Op } from './records.ts';

const INTENTS: ReadonlySet<string> = new Set(['intent_shared', 'intent_exclusive']);

export class DocumentLocks {
  #held: readonly LockView[] = [];
  #before: readonly LockView[] = [];
  /** Locks that ended: what they locked may be kept from others for a while. */
  readonly #ended: LockView[] = [];

  entry({ locks }: EventOf<'applied'>): void {
    this.#before = this.#held;
    if (locks === undefined) return;
    this.#held = locks.held;
    const left = new Set(this.#held.map(({ id }) => id));
    this.#ended.push(...this.#before.filter(({ id }) => !left.has(id)));
  }

  /** A lock of somebody else that keeps this from being edited; `touched` undefined: all of it. */
  foreign(doc: Doc, op: Op, touched: readonly string[] | undefined): LockView | undefined {
    return this.#held.find((lock) => {
      const stood = this.#before.some(({ id, token }) => id === lock.id && token === lock.token);
      return stood && !isOwn(lock, op) && this.#paths(doc, touched).some((path) => excludes(lock, path));
    });
  }

  /** Somebody else may have it, or have had it, locked. */
  mayBeBusy(doc: Doc, op: Op): boolean {
    const path = documentPath(doc);
    return [...this.#held, ...this.#before, ...this.#ended].some((lock) => !isOwn(lock, op) && excludes(lock, path));
  }

  /** `sure`: also after the entry. */
  holds(
    op: Op,
    of: {
      readonly token: string;
      readonly doc: Doc;
      readonly touched: readonly string[] | undefined;
      readonly sure: boolean;
    },
  ): boolean {
    const has = (locks: readonly LockView[]): boolean =>
      locks.some(
        (lock) =>
          lock.token === of.token &&
          isOwn(lock, op) &&
          this.#paths(of.doc, of.touched).every((path) =>
            membersOf(lock).some((member) => member.mode === 'exclusive' && covers(member.path, path)),
          ),
      );
    return has(this.#before) && (!of.sure || has(this.#held));
  }

  #paths(doc: Doc, touched: readonly string[] | undefined): readonly string[] {
    return touched?.map((sectionId) => documentPath({ ...doc, sectionId })) ?? [documentPath(doc)];
  }
}

const covers = (above: string, path: string): boolean => path === above || path.startsWith(`${above}/`);

function isOwn({ owner }: LockView, { session }: Op): boolean {
  return owner === session.id || session.agentIds.has(owner);
}

/** Whether whoever has it keeps others from an exclusive lock on the path. */
function excludes(lock: LockView, path: string): boolean {
  return membersOf(lock).some(
    (member) => covers(path, member.path) || (covers(member.path, path) && !INTENTS.has(member.mode)),
  );
}
