/** What is checked of several nodes on one Redis, beside what one node promises (../checker/invariants.ts). */
export const NODES_INVARIANTS = {
  N1: 'what a client was told of stands in the log, unless Redis lost it by a failover that loses',
  N2: 'a token is given out once, in whatever history, and begun by one program, once',
  N3: 'a position means one thing, in whatever history',
  N4: 'nodes that have applied the same entries have the same chain and the same state, and read them in order, each once',
  N5: 'a node that was taken for dead appends nothing',
  N6: 'a task is made once for its request or its key, and ends once, by whoever had its newest token',
  N7: 'a session is attached in one place at a time, hears of what it waits for, and of nothing twice',
  N8: 'nobody goes on with entries that Redis lost, nor without those that it did not lose; while all nodes live it loses nothing that one of them read',
  N9: 'after the faults every node serves the same, and everything has ended',
  N10: 'a node that was cut off has let its clients go when others take it for dead',
  N12: 'nobody who serves is taken for dead, unless its name was taken away',
  N13: 'what was refused was not done',
  N14: 'nobody is taken for dead before 15 s of silence, nor by one that has not itself been connected for as long',
  N15: 'the log is trimmed to the older of two snapshots that count, and no further than every node has what it keeps',
  N16: 'what came after a session was attached anew leaves no process over an older connection, once it knows of that',
  N11: 'the log is dense, no entry of it is older than the one before, and it is what nodes read',
} as const;

export type NodesInvariant = keyof typeof NODES_INVARIANTS;

export interface NodesViolation {
  readonly invariant: NodesInvariant;
  readonly message: string;
}
