/** The conversations of protocol/vectors/sessions.json, played against a whole server in memory. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { makeCredentials } from './credentials.ts';
import { MemoryPeer } from './memory-peer.ts';
import { replay, type Transcript } from './transcript.ts';

const { sessions } = JSON.parse(
  readFileSync(new URL('../../protocol/vectors/sessions.json', import.meta.url), 'utf8'),
) as {
  readonly sessions: readonly Transcript[];
};

async function played(transcript: Transcript, text: boolean): Promise<void> {
  const peer = new MemoryPeer({ text });
  peer.credentials = await makeCredentials(peer, peer.adminKey, 'vectors');
  await replay(transcript, peer);
}

describe('sessions', () => {
  it.each(sessions)('$name', (transcript) => played(transcript, false));
});

describe('sessions in muster.v1.json', () => {
  /** Bytes that are no frames have no form in text. */
  const textual = sessions.filter(({ steps }) => steps.every((step) => step.do !== 'sendHex'));

  it('are nearly all of them', () => {
    expect(sessions.length - textual.length).toBeLessThan(5);
  });

  it.each(textual)('$name', (transcript) => played(transcript, true));
});
