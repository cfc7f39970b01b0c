/** What a check of the doctor is. */
import type { Groups } from '../assignment/groups.ts';
import type { Context } from '../kernel/context.ts';
import type { State } from '../kernel/state.ts';

export interface Inspected {
  readonly state: State;
  readonly groups: Groups;
}

export interface Check {
  /** Only when no follow-up waits: until then the state may be on its way. */
  readonly settled?: true;
  entities(s: State): readonly string[];
  /** How many records a look at it reads besides its own. */
  weight?(s: State, entity: string): number;
  /** What is wrong with it. */
  wrong(parts: Inspected, entity: string): string | undefined;
  mend?(s: State, c: Context, entity: string): void;
}

export const ids = (records: readonly { readonly id: string }[]): string[] => records.map(({ id }) => id);
