/** What a request for a lock would come to as things stand: a look, for whoever decides how soon it goes to the log. */
import { isMap } from '../../../protocol/wire/codec.ts';
import { LOCK_MODES } from '../../../protocol/wire/locks.ts';
import type { State } from '../kernel/state.ts';
import type { Command } from '../port.ts';
import { firstBlocked } from './judge.ts';
import { needsOf } from './modes.ts';
import { ownerOf } from './owners.ts';

/** It would be queued. Of what is asked in less common ways it says no. */
export function lockMustWait(s: State, command: Command): boolean {
  if (command.kind !== 'request' || command.method !== 'lock.acquire' || !isMap(command.params)) return false;
  const { path, mode = 'exclusive', waitMs = 0, scope } = command.params;
  const wanted = LOCK_MODES.find((one) => one === mode);
  const session = s.sessions.get(command.session);
  if (typeof path !== 'string' || wanted === undefined || session === undefined) return false;
  if (waitMs === 0 || scope !== undefined) return false;
  const asker = { owner: ownerOf(session), seq: Infinity };
  return firstBlocked(s.lockBook, asker, needsOf([{ path, mode: wanted }])) !== undefined;
}
