/** The conversations of protocol/vectors/clients.json, played against the project's own client. */
import { readFileSync } from 'node:fs';
import { describe, it } from 'vitest';
import { replayOnClient, type ClientTranscript } from './client-transcript.ts';
import { SdkUnderTest } from './sdk-under-test.ts';

const { clients } = JSON.parse(
  readFileSync(new URL('../../protocol/vectors/clients.json', import.meta.url), 'utf8'),
) as { readonly clients: readonly ClientTranscript[] };

describe('clients', () => {
  it.each(clients)('$name', (transcript) => {
    replayOnClient(transcript, new SdkUnderTest());
  });
});
