/**
 * What runs should meet: rare events, and every transition of a task. The list is fixed, so that what no seed meets any more
 * shows; beside each stands how often 1,000 seeds meet it at least. 0: it is too rare for that, and only counted.
 */
export const MARKS = {
  'session resumed': 3_300,
  'session resumed after a restart of the server': 2_400,
  'resume refused: expired': 14,
  'resume refused: gap': 0,
  'resume refused: epoch': 0,
  'resume refused: auth': 50,
  'resumed with the secret before the last': 54,
  'lost WELCOME': 47,
  'lost RESULT': 75,
  'lost HELLO': 28,
  'half-open connection': 190,
  'takeover by another process': 38,
  'connection replaced': 52,
  'impostor welcomed': 15,
  'impostor refused': 52,
  'request sent again': 2_300,
  'keyed request sent again': 2_000,
  'same id or key, another body': 460,
  'answer remembered': 1_200,
  'outcome unknown': 730,
  'caller gave up': 140,
  'stale token': 460,
  'cancel crossed the end of its task': 98,
  'order lost and found by snapshot': 310,
  'snapshot in pages': 4,
  'push replayed on a resumed session': 2_600,
  'read from history': 1_000,
  'connection fell behind': 4,
  'slow reader caught up': 30,
  'connection closed as slow': 0,
  'running kept by a fresh session': 5,
  'stored result sent by the next process': 9,
  'stop acknowledged': 1_800,
  'slot freed by time': 110,
  'accept timeout': 270,
  'attempt timeout': 730,
  'progress timeout': 600,
  'deadline passed': 380,
  'lease ran out': 26,
  retry: 3_100,
  'dead letter': 1_600,
  'retried dead letter': 28,
  'dead letter replayed': 0,
  rejected: 340,
  released: 170,
  'offer accepted': 2_400,
  'held for a lost agent': 9,
  'failed with a lost agent': 26,
  'entry of continue': 3_800,
  'entry with several commands': 4_500,
  'append of unknown outcome was durable': 250,
  'append of unknown outcome was lost': 420,
  'log full': 720,
  'durable group that nobody was told of': 44,
  'snapshot restored': 240,
  'damaged snapshot passed over': 62,
  'log trimmed': 460,
  'error of the disk in the log': 71,
  'error of the disk while a snapshot was written': 30,
  'error of the disk while a snapshot was read': 12,
  'error of the disk while the log was read': 13,
  'disk nearly full': 39,
  'checkpoint failed': 30,
  'tenant refused after an error of the disk': 17,
  'task read from the archive': 31,
  'history dropped': 51,
  'session expired': 41,
  'session revoked': 19,
  'agent deregistered': 33,
  'server told clients to leave': 2_300,
  'orderly stop': 50,
  'wait for a task ended': 100,
  'waited over a lost session': 0,
  'clock set back': 44,
  'clock set forward': 39,
  'second tenant': 59,
  'task new → pending': 6_000,
  'task new → scheduled': 1_500,
  'task scheduled → pending': 4_700,
  'task scheduled → cancelled': 31,
  'task scheduled → timed_out': 71,
  'task pending → assigned': 8_000,
  'task pending → offered': 2_700,
  'task pending → cancelled': 67,
  'task pending → timed_out': 180,
  'task offered → accepted': 2_400,
  'task offered → pending': 150,
  'task offered → scheduled': 53,
  'task offered → cancelled': 4,
  'task offered → timed_out': 23,
  'task offered → failed': 3,
  'task assigned → accepted': 0,
  'task assigned → in_progress': 6_200,
  'task assigned → completed': 680,
  'task assigned → pending': 490,
  'task assigned → scheduled': 440,
  'task assigned → failed': 120,
  'task assigned → cancelled': 15,
  'task assigned → timed_out': 66,
  'task accepted → in_progress': 2_000,
  'task accepted → completed': 220,
  'task accepted → pending': 4,
  'task accepted → scheduled': 120,
  'task accepted → failed': 48,
  'task accepted → cancelled': 0,
  'task accepted → timed_out': 14,
  'task in_progress → completed': 4_300,
  'task in_progress → pending': 65,
  'task in_progress → scheduled': 2_700,
  'task in_progress → failed': 770,
  'task in_progress → cancelled': 31,
  'task in_progress → timed_out': 330,
  'given by least_loaded': 6_500,
  'given by capability_match': 3_100,
  'given by round_robin': 270,
  'given by random': 290,
  'given by cost_optimised': 230,
  'given by performance': 280,
  'given by rule_based': 0,
  'given by a sticky key': 320,
  'sticky key moved': 320,
  'waited for a concurrency key': 340,
  'no room under a concurrency key': 230,
  'cancelled to make room': 19,
  'given again to an agent on which it failed': 1_500,
  'agent quarantined': 100,
  'agent recovered': 10,
  'agent drained': 89,
  'agent updated': 370,
  'agent status declared': 300,
  'strategy set': 190,
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
