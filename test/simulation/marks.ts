/**
 * What runs should meet: rare events, and every transition of a task. The list is fixed, so that what no seed meets any more
 * shows; beside each stands how often 1,000 seeds meet it at least. 0: it is too rare for that, and only counted.
 */
export const MARKS = {
  'session resumed': 0,
  'session resumed after a restart of the server': 0,
  'resume refused: expired': 0,
  'resume refused: gap': 0,
  'resume refused: epoch': 0,
  'resume refused: auth': 0,
  'resumed with the secret before the last': 0,
  'lost WELCOME': 0,
  'lost RESULT': 0,
  'lost HELLO': 0,
  'half-open connection': 0,
  'takeover by another process': 0,
  'connection replaced': 0,
  'impostor welcomed': 0,
  'impostor refused': 0,
  'request sent again': 0,
  'keyed request sent again': 0,
  'same id or key, another body': 0,
  'answer remembered': 0,
  'outcome unknown': 0,
  'caller gave up': 0,
  'stale token': 0,
  'cancel crossed the end of its task': 0,
  'order lost and found by snapshot': 0,
  'snapshot in pages': 0,
  'push replayed on a resumed session': 0,
  'read from history': 0,
  'connection fell behind': 0,
  'slow reader caught up': 0,
  'connection closed as slow': 0,
  'running kept by a fresh session': 0,
  'stored result sent by the next process': 0,
  'stop acknowledged': 0,
  'slot freed by time': 0,
  'accept timeout': 0,
  'attempt timeout': 0,
  'progress timeout': 0,
  'deadline passed': 0,
  'lease ran out': 0,
  retry: 0,
  'dead letter': 0,
  'retried dead letter': 0,
  rejected: 0,
  released: 0,
  'offer accepted': 0,
  'held for a lost agent': 0,
  'failed with a lost agent': 0,
  'entry of continue': 0,
  'entry with several commands': 0,
  'append of unknown outcome was durable': 0,
  'append of unknown outcome was lost': 0,
  'log full': 0,
  'durable group that nobody was told of': 0,
  'snapshot restored': 0,
  'damaged snapshot passed over': 0,
  'log trimmed': 0,
  'error of the disk in the log': 0,
  'error of the disk while a snapshot was written': 0,
  'error of the disk while a snapshot was read': 0,
  'error of the disk while the log was read': 0,
  'disk nearly full': 0,
  'checkpoint failed': 0,
  'tenant refused after an error of the disk': 0,
  'task read from the archive': 0,
  'history dropped': 0,
  'session expired': 0,
  'session revoked': 0,
  'agent deregistered': 0,
  'server told clients to leave': 0,
  'orderly stop': 0,
  'wait for a task ended': 0,
  'waited over a lost session': 0,
  'clock set back': 0,
  'clock set forward': 0,
  'second tenant': 0,
  'task new → pending': 0,
  'task new → scheduled': 0,
  'task scheduled → pending': 0,
  'task scheduled → cancelled': 0,
  'task scheduled → timed_out': 0,
  'task pending → assigned': 0,
  'task pending → offered': 0,
  'task pending → cancelled': 0,
  'task pending → timed_out': 0,
  'task offered → accepted': 0,
  'task offered → pending': 0,
  'task offered → scheduled': 0,
  'task offered → cancelled': 0,
  'task offered → timed_out': 0,
  'task offered → failed': 0,
  'task assigned → accepted': 0,
  'task assigned → in_progress': 0,
  'task assigned → completed': 0,
  'task assigned → pending': 0,
  'task assigned → scheduled': 0,
  'task assigned → failed': 0,
  'task assigned → cancelled': 0,
  'task assigned → timed_out': 0,
  'task accepted → in_progress': 0,
  'task accepted → completed': 0,
  'task accepted → pending': 0,
  'task accepted → scheduled': 0,
  'task accepted → failed': 0,
  'task accepted → cancelled': 0,
  'task accepted → timed_out': 0,
  'task in_progress → completed': 0,
  'task in_progress → pending': 0,
  'task in_progress → scheduled': 0,
  'task in_progress → failed': 0,
  'task in_progress → cancelled': 0,
  'task in_progress → timed_out': 0,
  'given by least_loaded': 0,
  'given by capability_match': 0,
  'given by round_robin': 0,
  'given by random': 0,
  'given by cost_optimised': 0,
  'given by performance': 0,
  'given by a sticky key': 0,
  'sticky key moved': 0,
  'waited for a concurrency key': 0,
  'no room under a concurrency key': 0,
  'cancelled to make room': 0,
  'given again to an agent on which it failed': 0,
  'agent quarantined': 0,
  'agent recovered': 0,
  'agent drained': 0,
  'agent updated': 0,
  'agent status declared': 0,
  'strategy set': 0,
} as const;
export type Mark = keyof typeof MARKS;

/** So few seeds say nothing about what is rare. */
const SEEDS_MIN = 1_000;

export function isMark(name: string): name is Mark {
  return Object.hasOwn(MARKS, name);
}

export class Marks {
  readonly counts = new Map<Mark, number>(
    Object.keys(MARKS).flatMap((mark) => (isMark(mark) ? [[mark, 0] as const] : [])),
  );

  count(mark: Mark, by = 1): void {
    this.counts.set(mark, (this.counts.get(mark) ?? 0) + by);
  }
}

/** What so many seeds met too seldom, each with its count and its bound. */
export function tooSeldom(
  counts: ReadonlyMap<string, number>,
  seeds: number,
): { readonly mark: Mark; readonly count: number; readonly least: number }[] {
  if (seeds < SEEDS_MIN) return [];
  return Object.entries(MARKS).flatMap(([mark, perThousand]) => {
    const count = counts.get(mark) ?? 0;
    const least = Math.floor((perThousand * seeds) / 1_000);
    return isMark(mark) && count < least ? [{ mark, count, least }] : [];
  });
}
