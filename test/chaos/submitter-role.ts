/** The process of a submitter. It is not killed; its connections are. */
import { connect } from '../../src/client/node.ts';
import { must } from '../../src/base/assert.ts';
import { playRole } from '../../bench/harness/role.ts';
import { sharedMs } from '../../bench/harness/shared-clock.ts';
import type { Launch, SubmitterCalls } from './chaos-roles.ts';
import { JournalWriter } from './journal.ts';
import { Random } from './random.ts';
import { Submitter } from './submitter.ts';

async function launchSubmitter(launch: Launch & { readonly name: string }): Promise<Submitter> {
  const journal = new JournalWriter(launch.journal);
  let known = false;
  let lost = false;
  const up = (): void => {
    journal.write({ kind: 'submitterUp', at: sharedMs(), submitter: launch.name, resumed: known && !lost });
    known = true;
    lost = false;
  };
  const client = await connect({
    url: launch.url,
    key: launch.key,
    name: launch.name,
    connectTimeoutMs: 0,
    onState: (state) => {
      if (state === 'online') up();
    },
  });
  client.on('gap', () => {
    lost = true;
  });
  return new Submitter(client, journal, { name: launch.name, random: new Random(launch.seed) });
}

playRole<SubmitterCalls>(() => {
  let submitter: Submitter | undefined;
  const mine = (): Submitter => must(submitter, 'launched');
  return {
    launch: async (launch) => {
      submitter = await launchSubmitter(launch);
      return null;
    },
    submit: (plan) => mine().submit(plan),
    counts: () => mine().counts,
    leave: async () => {
      await mine().close();
      return null;
    },
  };
});
