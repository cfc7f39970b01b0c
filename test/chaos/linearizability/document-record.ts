/** Records what clients do with documents over sockets while the server, a real process, is killed. */
import type { Cleanup } from '../../../bench/harness/cleanup.ts';
import { connect } from '../../../src/client/node.ts';
import type { DocumentOperation } from './document-model.ts';
import { textOf, Writer } from './document-writer.ts';
import { underKills, type Form } from './storm.ts';

const NAMES = ['plan', 'notes'];
export const SECTIONS = 3;

export function recordDocuments(cleanup: Cleanup, form: Form): Promise<readonly DocumentOperation[]> {
  const { seed, turns, clients } = form;
  return underKills(cleanup, form, async ({ url, key }) => {
    const all = await Promise.all(
      Array.from({ length: clients }, (_, i) => connect({ url, key, name: `writer-${i}`, connectTimeoutMs: 0 })),
    );
    for (const client of all) cleanup.add(() => client.close());
    const content = Array.from({ length: SECTIONS }, (_, at) => textOf(at, [])).join('');
    const documents: string[] = [];
    for (const name of NAMES) {
      const made = await all[0]?.document.create({ name, content });
      if (made !== undefined) documents.push(made.document.id);
    }
    return all.map((client, i) => new Writer(client, { name: `w${i}`, seed: seed + i, turns, documents }));
  });
}
