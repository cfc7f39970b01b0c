/** The conversations of protocol/vectors/sessions.json, played against a whole server in memory. */
import { readFileSync } from 'node:fs';
import { describe, it } from 'vitest';
import { makeCredentials } from './credentials.ts';
import { MemoryPeer } from './memory-peer.ts';
import { replay, type Transcript } from './transcript.ts';

const { sessions } = JSON.parse(
  readFileSync(new URL('../../protocol/vectors/sessions.json', import.meta.url), 'utf8'),
) as {
  readonly sessions: readonly Transcript[];
};

describe('sessions', () => {
  it.each(sessions)('$name', async (transcript) => {
    const peer = new MemoryPeer();
    peer.credentials = await makeCredentials(peer, peer.adminKey, 'vectors');
    await replay(transcript, peer);
  });
});
