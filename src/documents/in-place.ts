/** Work upon texts in the thread that asks, for servers in memory: what it takes holds everybody. */
import { Performer, type InputOf, type Outcome, type WorkName } from './jobs.ts';

export type RunWork = <N extends WorkName>(name: N, input: InputOf<N>, done: (outcome: Outcome<N>) => void) => void;

export function workInPlace(defer: (run: () => void) => void): RunWork {
  const performer = new Performer();
  return (name, input, done) => defer(() => done({ kind: 'done', result: performer.perform(name, input) }));
}
