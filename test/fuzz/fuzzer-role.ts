/** The process that fuzzes: links that say what is drawn, attackers beside them, and one honest client that tidies up. */
import { setPriority } from 'node:os';
import { playRole } from '../../bench/harness/role.ts';
import { Fuzzer } from './fuzzer.ts';
import type { FuzzerCalls, FuzzerNotes } from './fuzz-roles.ts';

/** In earnest a client has a machine of its own: here it must not take the server's processor. */
const NICE = 15;
const TELL_MS = 10_000;

playRole<FuzzerCalls, FuzzerNotes>((notify) => {
  setPriority(NICE);
  return {
    run: async (plan) => {
      const fuzzer = new Fuzzer(plan);
      const telling = setInterval(() => notify('written', fuzzer.written), TELL_MS);
      const told = await fuzzer.run();
      clearInterval(telling);
      return told;
    },
  };
});
