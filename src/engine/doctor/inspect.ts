/**
 * Goes through what must be true of a state, and mends what can be mended.
 *
 * DI1 An inspection yields after every so many looks, so that it can go on between entries; it changes nothing.
 * DI2 Mending is logged: the command finds what is wrong and each fault is mended by a follow-up of its own, which asks
 *     again whether it is still there. At most `mendMax` of them come of one command; said again it goes on. What a client asks for
 *     was looked for before its command, in slices; a command without findings, as of a doctor that is alone with the state, looks itself.
 */
import { LIMITS } from '../../../protocol/wire/limits.ts';
import { FINDING_CODES, type FindingCode, type FindingView } from '../../../protocol/wire/observing.ts';
import { accepted, type Context } from '../kernel/context.ts';
import type { State } from '../kernel/state.ts';
import type { Found, Reply } from '../port.ts';
import type { FollowUp } from '../records.ts';
import type { Inspected } from './check.ts';
import { CHECKS } from './checks.ts';

/** Looks between two rests. */
const STRIDE = 500;

/** Yields rests and findings. */
export function* inspect(parts: Inspected): IterableIterator<FindingView | undefined> {
  let looks = 0;
  for (const code of FINDING_CODES) {
    const check = CHECKS[code];
    for (const entity of check.entities(parts.state)) {
      looks += 1 + (check.weight?.(parts.state, entity) ?? 0);
      if (looks >= STRIDE) {
        looks = 0;
        yield undefined; // DI1
      }
      if (check.settled === true && parts.state.work.size > 0) break;
      const message = check.wrong(parts, entity);
      if (message !== undefined) yield { code, entity, message, ...CURES[code], mendable: check.mend !== undefined };
    }
  }
}

const MENDED = 'Run it again with --repair: a logged command mends it.';
const RESTORE =
  'This must not happen and cannot be mended safely: keep a copy of the data directory, report it, restore a backup.';

const CURES: { readonly [C in FindingCode]: Pick<FindingView, 'severity' | 'cure'> } = {
  LOAD: { severity: 'error', cure: MENDED },
  ASSIGNMENT_ORPHAN: { severity: 'error', cure: MENDED },
  ASSIGNMENT_WITHOUT_AGENT: { severity: 'error', cure: MENDED },
  HELD_WITHOUT_ASSIGNMENT: { severity: 'error', cure: MENDED },
  TIMER_ORPHAN: { severity: 'warning', cure: MENDED },
  TIMER_MISSING: { severity: 'error', cure: MENDED },
  STALLED: { severity: 'error', cure: MENDED },
  AGENT_SESSION: { severity: 'error', cure: MENDED },
  SUBSCRIPTION_ORPHAN: { severity: 'warning', cure: MENDED },
  TASK_LOCKS: { severity: 'error', cure: MENDED },
  LOCK_ORPHAN: { severity: 'error', cure: MENDED },
  FAMILY: { severity: 'error', cure: MENDED },
  FAMILY_MISSING: { severity: 'error', cure: MENDED },
  FAMILY_ORPHAN: { severity: 'warning', cure: MENDED },
  FAMILY_WAITS: { severity: 'error', cure: MENDED },
  FAMILY_LEFT: { severity: 'error', cure: MENDED },
  PARTS: {
    severity: 'error',
    cure: 'Its result cannot be known any more: cancel it, and distribute it anew.',
  },
  LOCK_BOOK: { severity: 'error', cure: MENDED },
  LOCK_OWNER: { severity: 'error', cure: MENDED },
  LOCK_OWNER_ORPHAN: { severity: 'warning', cure: MENDED },
  LOCK_CONFLICT: { severity: 'error', cure: MENDED },
  LOCK_REQUEST: { severity: 'error', cure: MENDED },
  LOCK_STALLED: { severity: 'error', cure: MENDED },
  WORKSPACE_OWNER: {
    severity: 'error',
    cure: 'An administrator of the tenant makes somebody an owner: muster workspace add ID USER --role owner.',
  },
  WORKSPACE_USAGE: { severity: 'error', cure: MENDED },
  WORKSPACE_ORPHAN: { severity: 'warning', cure: MENDED },
  END: { severity: 'error', cure: RESTORE },
  TOKEN: { severity: 'error', cure: RESTORE },
};

/** DI2. `found`: by an inspection before, which did not stop everybody else as one within an entry does. */
export function mend(s: State, c: Context, found?: Found['found']): Reply {
  if (found !== undefined) {
    for (const { code, entity } of found.faults)
      c.events.push({ kind: 'followed', work: { kind: 'mend', code, entity } });
    return accepted({ mended: found.faults.length, left: found.left });
  }
  let mended = 0;
  let left = 0;
  for (const finding of inspect({ state: s, groups: c.groups })) {
    if (finding === undefined) continue;
    if (!finding.mendable || mended === LIMITS.mendMax) {
      left += 1;
      continue;
    }
    mended += 1;
    const { code, entity } = finding;
    c.events.push({ kind: 'followed', work: { kind: 'mend', code, entity } });
  }
  return accepted({ mended, left });
}

export function mendOne(s: State, c: Context, work: Extract<FollowUp, { readonly kind: 'mend' }>): void {
  const check = CHECKS[work.code];
  if (check.wrong({ state: s, groups: c.groups }, work.entity) !== undefined) check.mend?.(s, c, work.entity);
}
