/** What the runner says to the processes of agents and of those who give them work. */

/** What all agents can do. */
export const CAPABILITY = 'soak';

export interface Target {
  readonly url: string;
  readonly key: string;
}

export type AgentsCalls = {
  /** Resolves when all are connected. */
  readonly connect: {
    readonly params: Target & { readonly name: string; readonly agents: number };
    readonly result: null;
  };
  /** Breaks so many connections off. */
  readonly drop: { readonly params: { readonly count: number }; readonly result: null };
  readonly leave: { readonly params: null; readonly result: null };
};

export interface MembersPlan extends Target {
  readonly port: number;
  readonly seed: number;
  readonly members: number;
  /** Clients that speak JSON, over sockets of their own. */
  readonly texts: number;
}

export interface MembersCounts {
  readonly created: number;
  readonly ended: number;
  readonly endedAgain: number;
  readonly failed: readonly string[];
}

export type MembersCalls = {
  readonly connect: { readonly params: MembersPlan; readonly result: null };
  /** Gives work from now on, so many tasks in a second. */
  readonly work: { readonly params: { readonly rate: number }; readonly result: null };
  readonly burst: { readonly params: { readonly tasks: number }; readonly result: null };
  readonly drop: { readonly params: { readonly count: number }; readonly result: null };
  /** Listens to everything and does not read, for so long. */
  readonly slowReaders: { readonly params: { readonly count: number; readonly forMs: number }; readonly result: null };
  /** No new work; resolves when all of it was told to have ended, or the time is up. */
  readonly rest: { readonly params: { readonly patienceMs: number }; readonly result: MembersCounts };
  readonly leave: { readonly params: null; readonly result: null };
};
