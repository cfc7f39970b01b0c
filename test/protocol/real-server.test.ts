/** The conversations that need neither clock nor kill, over real WebSockets against a server on SQLite. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { must } from '../../src/base/assert.ts';
import { serve, type RunningServer } from '../../src/main.ts';
import { makeCredentials } from './credentials.ts';
import { needs, replay, type Transcript } from './transcript.ts';
import { WsPeer } from './ws-peer.ts';

const { sessions } = JSON.parse(
  readFileSync(new URL('../../protocol/vectors/sessions.json', import.meta.url), 'utf8'),
) as { readonly sessions: readonly Transcript[] };

const playable = sessions.filter((transcript) => needs(transcript).length === 0);

/** One server for all; each conversation has tenants of its own. */
describe('sessions over sockets', () => {
  const data = mkdtempSync(join(tmpdir(), 'muster-vectors-'));
  let server: RunningServer | undefined;
  let tenants = 0;

  beforeAll(async () => {
    server = await serve({ port: 0, httpPort: 0, data, logLevel: 'silent' });
  });

  afterAll(async () => {
    await server?.stop();
    rmSync(data, { recursive: true, force: true });
  });

  it('are most of them', () => {
    expect(playable.length).toBeGreaterThan(50);
  });

  it.each(playable)('$name', async (transcript) => {
    const { url, firstKey } = must(server, 'the server runs');
    tenants += 1;
    const maker = new WsPeer(url);
    const credentials = await makeCredentials(
      maker,
      must(firstKey, 'a first start shows the key'),
      `vectors-${tenants}`,
    );
    await maker.close();
    const peer = new WsPeer(url, credentials);
    try {
      await replay(transcript, peer);
    } finally {
      await peer.close();
    }
  });
});
