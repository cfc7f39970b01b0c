/** What a session holds, for a client that could not be resumed: tasks and subscriptions, by pages. */
import { encodeValue } from '../../../protocol/wire/codec.ts';
import { LIMITS } from '../../../protocol/wire/limits.ts';
import type { SessionSnapshot } from '../../../protocol/wire/types.ts';
import type { State } from '../kernel/state.ts';
import { controlItems } from '../tasks/control-view.ts';
import { taskView } from '../tasks/view.ts';

/** A task with everything at its bound has 246 KiB, and beside it stands the rest of a WELCOME. */
const ROOM_BYTES = LIMITS.frameBytes - 8 * 1024;

/**
 * The cursor is the token of the last task given: tokens rise. The subscriptions stand on the first page; a task that finds no
 * room beside them is the first of the next.
 */
export function sessionSnapshot(
  s: State,
  asked: { readonly session: string; readonly cursor?: string },
): { readonly snapshot: SessionSnapshot } {
  const session = s.sessions.get(asked.session);
  const tasks: SessionSnapshot['tasks'][number][] = [];
  const subs = asked.cursor === undefined ? [...(s.subsBySession.of(asked.session) ?? [])].map((sub) => sub.topic) : [];
  let more: string | undefined;
  let bytes = 0;
  if (session?.agentId !== undefined) {
    const after = asked.cursor === undefined ? 0 : Number(asked.cursor);
    const losing = givenUp(s);
    for (const slot of s.assignmentsByAgent.of(session.agentId) ?? []) {
      if (slot.state !== 'current' || slot.token <= after || losing.has(slot.token)) continue;
      const task = s.tasks.get(slot.task);
      if (task === undefined) continue;
      const controls = controlItems(task);
      const item = {
        task: taskView(task, true),
        attempt: slot.attempt,
        token: String(slot.token),
        leaseMs: LIMITS.leaseMs,
        ...(controls === undefined ? undefined : { controls }),
      };
      bytes += encodeValue(item).length;
      const full = tasks.length === LIMITS.snapshotItems || (tasks.length > 0 && bytes > LIMITS.pageBytes);
      if (full || (subs.length > 0 && bytes + encodeValue(subs).length > ROOM_BYTES)) {
        more = tasks.at(-1)?.token ?? '0';
        break;
      }
      tasks.push(item);
    }
  }
  return { snapshot: { tasks, locks: [], waits: [], subs, ...(more === undefined ? undefined : { more }) } };
}

/** Tokens of assignments that are given up already, and only wait for the next entry to be. */
function givenUp(s: State): ReadonlySet<number> {
  return new Set(s.work.hold().flatMap((work) => (work.kind === 'lose' ? work.token : [])));
}
