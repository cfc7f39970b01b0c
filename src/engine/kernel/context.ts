/** What a decision may use beside the state: the entry's time and randomness, and the list that it adds events to. */
import type { Rejection, ErrorCode } from '../../../protocol/wire/codes.ts';
import type { Data, Value } from '../../../protocol/wire/types.ts';
import type { Refusal, Reply } from '../port.ts';
import type { SessionRecord } from '../records.ts';
import type { Groups } from '../assignment/groups.ts';
import type { Event } from './events.ts';
import type { EntryRandom } from './random.ts';
import type { State } from './state.ts';

export interface Context {
  /** For what a change is stamped with; decisions read the state that they are given. */
  readonly state: State;
  /** Wall ms of the entry, never falling. */
  readonly now: number;
  /** Live ms of the entry. */
  readonly live: number;
  readonly random: EntryRandom;
  readonly groups: Groups;
  /** Events of the decision, in order. */
  events: Event[];
}

/** A decision reads the state and answers; what is to change it adds to `c.events`. */
export type Decide<P> = (s: State, c: Context, call: { readonly session: SessionRecord; readonly params: P }) => Reply;

export function accepted(result: Data): Reply {
  return { ok: true, result };
}

export function rejected(code: ErrorCode, message?: string, details?: Value): Refusal {
  const rejection: Rejection = {
    code,
    ...(message === undefined ? undefined : { message }),
    ...(details === undefined ? undefined : { details }),
  };
  return { ok: false, rejection };
}
