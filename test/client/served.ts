/** A real server for the tests of a file, and clients of it that are closed behind each test. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll } from 'vitest';
import type { AgentShape } from '../../protocol/wire/types.ts';
import { must } from '../../src/base/assert.ts';
import { connect, type Client } from '../../src/client/node.ts';
import { serve, type RunningServer } from '../../src/main.ts';

/** Registers the hooks; what is returned opens a client, as an agent of this shape if there is one. */
export function servedClients(): (agent?: AgentShape) => Promise<Client> {
  const data = mkdtempSync(join(tmpdir(), 'muster-client-'));
  let server: RunningServer | undefined;
  const clients: Client[] = [];

  beforeAll(async () => {
    server = await serve({ port: 0, httpPort: 0, data, logLevel: 'silent' });
  });

  afterEach(async () => {
    for (const client of clients.splice(0)) await client.close();
  });

  afterAll(async () => {
    await server?.stop();
    rmSync(data, { recursive: true, force: true });
  });

  return async (agent) => {
    const { url, firstKey } = must(server, 'the server runs');
    const shape = agent === undefined ? {} : { agent };
    const client = await connect({ url, key: must(firstKey, 'a first start shows the key'), ...shape });
    clients.push(client);
    return client;
  };
}
