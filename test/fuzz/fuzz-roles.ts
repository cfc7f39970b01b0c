/** What the runner says to the process that fuzzes, and what that tells in the end. */
import type { Form } from '../conformance/forms.ts';

/** Whose key `agent` is. */
export const AGENT = 'fuzz-agent';

/** Credentials of the attacked server. */
export interface Keys {
  /** Of the fuzzers' own tenant. */
  readonly admin: string;
  readonly member: string;
  readonly agent: string;
  readonly viewer: string;
  /** Of the neighbour's tenant: looks, and may change nothing. */
  readonly spy: string;
}

export interface FuzzPlan {
  readonly port: number;
  readonly url: string;
  readonly keys: Keys;
  readonly seed: number;
  readonly forms: readonly Form[];
  readonly frames: number;
  /** Frames in a second, over all links. */
  readonly rate: number;
  readonly links: number;
  /** Whether attackers that are slow, flood or come in bursts work beside the links. */
  readonly attacks: boolean;
}

export interface AttackFigures {
  readonly begun: number;
  /** By the server. */
  readonly ended: number;
  /** Those that were still open when the server's time for them was up. */
  readonly overdue: number;
  readonly longestMs: number;
}

export interface FuzzTold {
  /** By kind of message; a message of several frames counts them all. */
  readonly frames: { readonly [kind: string]: number };
  readonly connections: number;
  /** Upgrades that were answered with something else than 101. */
  readonly turnedAway: number;
  /** What the server answered, by code of error or close; `ok`: results. */
  readonly answers: { readonly [code: string]: number };
  /** Promises of the protocol that were seen broken, with what was sent before. */
  readonly broken: readonly string[];
  readonly attacks: { readonly [name: string]: AttackFigures };
  readonly seconds: number;
}

/** Said now and then, with how many frames were written so far. */
export type FuzzerNotes = { readonly written: number };

export type FuzzerCalls = {
  readonly run: { readonly params: FuzzPlan; readonly result: FuzzTold };
};
