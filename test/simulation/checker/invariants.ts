/**
 * The catalogue of what is checked. Numbers are those of the project's list of invariants, letters were added here.
 * A violation names one of these; each has a legal and a broken history in the tests.
 */
export const INVARIANTS = {
  '1': 'seq is dense from 1 and what is durable is never written again',
  '2': 'chain(n) = SHA-256(chain(n-1) ‖ stored bytes), equal in every copy',
  '3': 'epoch, ts and live time never fall; live time moves by min(step of ts, gap), not at all by an opening',
  '4': 'what was answered ok is in the log and visible in the state',
  '5': 'what was refused had no effect',
  '6': 'one (session, id), one idempotency key: at most one effect, the same answer each time',
  '7': 'no phantoms: every effect and every answer stems from a recorded request or a lawful timer',
  '8': 'an entry applied again gives the same state and position',
  '9': 'state rebuilt from zero or from a snapshot equals the state that served',
  '11': 'what was answered before another request was sent has the smaller position',
  '12': 'a read sees what was answered before it, and nothing that never was',
  '13': 'nothing is applied or leaves before it is durable',
  '14': 'the log is trimmed at most to the older of the two newest snapshots',
  '19': 'tokens are unique and strictly rising over the whole tenant',
  '23': 'no lost wake-up: no task is pending while an eligible agent has a free slot',
  '26': 'a lease or an accept timer ends an assignment only after its full live time',
  '27': 'an assignment outlives a loss of the session that is shorter than the grace',
  '42': 'a task changes only along its transition table; terminal statuses have no exit',
  '43': 'calls have effect only with the token of the current assignment, and always with it',
  '44': 'an assigned agent is known, present, active, capable',
  '45': '0 ≤ active ≤ capacity, active = current and stopping assignments; handlers of one process ≤ capacity',
  '46': 'attempt = 1 + failures ≤ maximum; losses apart; a retry waits within its bound and starts not before runAt',
  '47': 'every task ends or waits for a stated reason; none is forgotten',
  '48': 'the most urgent task first, of these the oldest; the agent that the strategy prefers',
  '50': 'progress is what the holder reported, and does not go back unless the holder did',
  '61': 'the caller had the role and the identity for what it did',
  '64': 'nothing of one tenant is seen by another',
  '66': 'pushes of a connection: position strictly rising, nothing missing, nothing foreign',
  '67': 'every change that must be told is told to everybody who watches',
  '71': 'a session is ended for good, and not before its time',
  '72': 'timers fire when they are due: not before, not late',
  '74': 'no collection is larger than its cap',
  '75': 'after the faults everybody is connected, nobody else is taken for it, and every request is answered',
  A: 'a result is accepted once, and is the one that the holder sent',
  B: 'position = epoch·2^40 + count, one step for each entry and for each push',
  C: 'on one connection a RESULT precedes the pushes that its command caused',
  D: 'orders carry attempt and token and no topic; events carry a topic and no parameters or outputs',
  E: 'no task is executed twice at once while the first process lives and its session can be resumed',
  F: 'a handler starts once for one token, and only for a token that was assigned to its agent',
  G: 'a resumed WELCOME repeats session and named position; any other has its reason, snapshot and a new session',
  H: 'the history itself is well formed',
  I: 'a resume is refused only for a cause',
  J: 'a client names the position that it has processed',
  K: 'an agent has one attached session; after an opening none is attached',
  M: 'a task does not go back to an agent that refused it or did not confirm',
  N: 'every task that failed or timed out, and no other, is a dead letter, and is listed once',
  O: 'a terminal task is never revived; its retry is a new task that names it',
  P: 'a client that was told not to come back does not',
  Q: 'of the tasks with a concurrency key no more are held, or with dropNew open, than the newest of them allows',
  S: 'an occurrence of a schedule makes one task at most, at its time and by its policies; none that is due is forgotten',
  R: 'tasks with a sticky key go to the agent that the key is with, as long as that fits and, if it is soft, is free',
  V: 'an order reaches each run once and in order, and is not told again after it was acknowledged',
  T: 'a task is paused and goes on only when asked to be, and is given to nobody while it is paused',
  W: 'a task stands below one that had not ended, ends with it if that comes to nothing, and is waited for if that says so; none is forgotten, and no tree is too large',
  X: 'a task is handed on to whom its holder says, to nobody who handed it on or waits for it, and not too often',
  Y: 'a distributed task has the parts that were asked for, is decided by how these end and as soon as they decide it, and its result is theirs',
  U: 'the output that is read is the output that was taken; a question is answered once',
} as const;

export type InvariantId = keyof typeof INVARIANTS;

export interface Violation {
  readonly invariant: InvariantId;
  readonly message: string;
  /** Indices into `History.events` that prove it, rising. */
  readonly events: readonly number[];
}
