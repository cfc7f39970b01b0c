/** What an entry had to do with locks, as the history wants it. */
import { lockOrder, lockView, waitView } from '../../src/engine/locks/view.ts';
import { documentPath } from '../../protocol/wire/documents.ts';
import type { State } from '../../src/engine/kernel/state.ts';
import type { Push } from '../../src/engine/port.ts';
import { text } from './checker/values.ts';
import type { EventOf, LockCommand, LockTold } from './checker/history.ts';
import type { MadeEntry } from './entry-marks.ts';

export function locksOf(made: MadeEntry): Partial<EventOf<'applied'>> {
  const { state, changes } = made;
  const commands = commandsOf(made);
  if (commands.length === 0 && !changes.locks) return {};
  return {
    locks: {
      held: [...state.locks.hold()].map((lock) => lockView(state, lock)),
      waits: [...state.lockWaits.hold()].map((wait) => waitView(state, wait)),
      commands,
      told: made.output.pushes.flatMap((push) => (push.event.startsWith('lock.') ? [toldOf(made, push)] : [])),
    },
  };
}

function commandsOf({ decoded, output, state }: MadeEntry): LockCommand[] {
  return decoded.commands.flatMap((command, i): LockCommand[] => {
    if (command.kind !== 'request') return [];
    const reply = output.commands[i]?.reply;
    if (reply === undefined) return [];
    const { session, id: reqId, key } = command;
    const said = saidOf(command, state);
    // There is no such document, or no such section in it: no lock was asked for.
    const nowhere = command.method === 'section.lock' && !reply.ok && reply.rejection.code === 'NOT_FOUND';
    if (said === undefined || nowhere) return [];
    const asked = { session, reqId, ...(key === undefined ? {} : { k: key }), ...said };
    if (reply.ok) return [{ ...asked, ok: true, result: reply.result }];
    const { code, details } = reply.rejection;
    return [{ ...asked, ok: false, code, result: details }];
  });
}

/** What is asked of locks; those of sections are asked for by methods of their own, and are as all others (D7). */
function saidOf(
  { method, params }: { readonly method: string; readonly params: unknown },
  state: State,
): Pick<LockCommand, 'method' | 'params'> | undefined {
  if (method.startsWith('lock.')) return { method, params };
  if (method === 'section.unlock') return { method: 'lock.release', params };
  if (method !== 'section.lock') return undefined;
  const id = text(params, 'documentId') ?? '';
  const of = { id, workspaceId: state.documents.get(id)?.workspaceId, sectionId: text(params, 'sectionId') };
  return { method: 'lock.acquire', params: { mode: 'exclusive', ...(params as object), path: documentPath(of) } };
}

/** An order holds a reference: what it says is said when it is sent. */
function toldOf({ state }: MadeEntry, push: Push): LockTold {
  const { event, topic, data, order, to } = push;
  const about = topic === undefined ? { to: (to[0] ?? '').slice(2) } : { topic };
  const rendered = order?.lock === undefined ? data : (lockOrder(state, { event, data }, { lock: order.lock }) ?? data);
  const id = order?.lock === undefined ? {} : { id: order.lock };
  return { event, ...about, data: { ...id, ...(rendered as object) } };
}
