/** What an entry had to do with locks, as the history wants it. */
import { lockOrder, lockView, waitView } from '../../src/engine/locks/view.ts';
import type { Push } from '../../src/engine/port.ts';
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

function commandsOf({ decoded, output }: MadeEntry): LockCommand[] {
  return decoded.commands.flatMap((command, i): LockCommand[] => {
    if (command.kind !== 'request' || !command.method.startsWith('lock.')) return [];
    const reply = output.commands[i]?.reply;
    if (reply === undefined) return [];
    const { session, id: reqId, key, method, params } = command;
    const asked = { session, reqId, ...(key === undefined ? {} : { k: key }), method, params };
    if (reply.ok) return [{ ...asked, ok: true, result: reply.result }];
    const { code, details } = reply.rejection;
    return [{ ...asked, ok: false, code, result: details }];
  });
}

/** An order holds a reference: what it says is said when it is sent. */
function toldOf({ state }: MadeEntry, push: Push): LockTold {
  const { event, topic, data, order, to } = push;
  const about = topic === undefined ? { to: (to[0] ?? '').slice(2) } : { topic };
  const rendered = order?.lock === undefined ? data : (lockOrder(state, { event, data }, { lock: order.lock }) ?? data);
  const id = order?.lock === undefined ? {} : { id: order.lock };
  return { event, ...about, data: { ...id, ...(rendered as object) } };
}
