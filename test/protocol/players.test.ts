/** The players of transcripts notice what is not as written: otherwise the conversations would prove nothing. */
import { describe, expect, it } from 'vitest';
import { encodeFrame } from '../../protocol/wire/codec.ts';
import { replayOnClient, type ClientStep, type ClientTranscript } from './client-transcript.ts';
import { makeCredentials } from './credentials.ts';
import { MemoryPeer } from './memory-peer.ts';
import { fill, match } from './pattern.ts';
import { SdkUnderTest } from './sdk-under-test.ts';
import { needs, replay, type Peer, type Step, type Transcript } from './transcript.ts';
import { CLIENTS } from './vectors/clients.ts';
import type { Json } from './vectors/json-form.ts';
import { SESSIONS } from './vectors/sessions.ts';
import { expect as expected, connect, expectClose } from './vectors/steps.ts';
import { OPERATING } from './vectors/operating.ts';
import { TREES } from './vectors/trees.ts';
import { WORK } from './vectors/work.ts';

const wrongOp = (frame: Json): Json => (Array.isArray(frame) ? [99, ...(frame as readonly Json[]).slice(1)] : frame);

function spoiled(step: Step): Step | undefined {
  if (step.do === 'expect') return { ...step, frame: wrongOp(step.frame) };
  if (step.do === 'expectAll') return { ...step, frames: step.frames.map(wrongOp) };
  return step.do === 'expectClose' ? { ...step, code: step.code + 1 } : undefined;
}

function spoiledForClient(step: ClientStep): ClientStep | undefined {
  if (step.do === 'receive') return { ...step, frame: wrongOp(step.frame) };
  if (step.do === 'answered') return { do: 'answered', as: step.as, code: 'ANOTHER' };
  return step.do === 'begun' || step.do === 'stopped' ? { ...step, times: 7 } : undefined;
}

/** The transcript once for each step that can be spoiled, with that step spoiled. */
function variants<S, T extends { readonly steps: readonly S[] }>(
  transcript: T,
  spoil: (step: S) => S | undefined,
): readonly T[] {
  return transcript.steps.flatMap((step, i) => {
    const wrong = spoil(step);
    return wrong === undefined ? [] : [{ ...transcript, steps: transcript.steps.with(i, wrong) }];
  });
}

function find<T extends { readonly name: string }>(all: readonly T[], name: string): T {
  const found = all.find((one) => one.name === name);
  if (found === undefined) throw new Error(name);
  return found;
}

describe('the player against servers', () => {
  it.each(['hello-welcome', 'plain-work', 'second-hello', 'resume', 'many-frames-in-a-message', 'cancel'])(
    'fails when a step of %s is another',
    async (name) => {
      const wrong = variants<Step, Transcript>(find([...SESSIONS, ...WORK, ...TREES, ...OPERATING], name), spoiled);
      expect(wrong.length).toBeGreaterThan(0);
      for (const transcript of wrong) {
        const peer = new MemoryPeer();
        peer.credentials = await makeCredentials(peer, peer.adminKey, 'vectors');
        await expect(replay(transcript, peer)).rejects.toThrow(name);
      }
    },
  );

  const saying = (...messages: readonly Uint8Array[]): Peer => ({
    credentials: {},
    connect: () => ({
      send: () => undefined,
      onMessage: (receive) => {
        for (const message of messages) receive(message);
      },
      onClose: () => undefined,
      drop: () => undefined,
    }),
    until: async (isHere) => (isHere() ? Promise.resolve() : Promise.reject(new Error('nothing came'))),
    advance: async () => Promise.resolve(),
    restart: async () => Promise.resolve(),
  });
  const push = (rev: number): Uint8Array => encodeFrame({ op: 11, id: 0, body: { rev, e: 'message', d: {} } });
  const twoPushes: Transcript = {
    name: 'two',
    rules: [],
    steps: [connect('a'), expected('a', [11, 0, {}]), expected('a', [11, 0, {}])],
  };

  it('fails when rev does not rise', async () => {
    await expect(replay(twoPushes, saying(push(1), push(2)))).resolves.toBeUndefined();
    await expect(replay(twoPushes, saying(push(2), push(2)))).rejects.toThrow('PUSH 2 after 2');
  });

  it('fails when the server breaks the profile', async () => {
    await expect(replay(twoPushes, saying(Uint8Array.of(0xc1)))).rejects.toThrow('outside the profile');
  });

  it('fails when a frame comes before a close, or nothing comes', async () => {
    const closes: Transcript = { name: 'closes', rules: [], steps: [connect('a'), expectClose('a', 4500)] };
    await expect(replay(closes, saying(push(1)))).rejects.toThrow('nothing came');
    await expect(replay(twoPushes, saying(push(1)))).rejects.toThrow('nothing came');
  });

  it('says what a transcript needs', () => {
    expect(needs(find(SESSIONS, 'hello-welcome'))).toEqual([]);
    expect(needs(find(SESSIONS, 'resume-after-restart'))).toEqual(['clock', 'restart']);
  });
});

describe('the player against clients', () => {
  it.each(CLIENTS)('fails when a step of $name is another', (transcript) => {
    const wrong = variants<ClientStep, ClientTranscript>(transcript, spoiledForClient);
    expect(wrong.length).toBeGreaterThan(0);
    for (const one of wrong) expect(() => replayOnClient(one, new SdkUnderTest())).toThrow(transcript.name);
  });
});

describe('patterns', () => {
  const matches = (pattern: Json, value: Json | undefined, bindings = {}): boolean =>
    match(pattern, value, bindings).ok;

  it('name members that must be there', () => {
    expect(matches({ a: 1 }, { a: 1, b: 2 })).toBe(true);
    expect(matches({ a: 1, b: 2 }, { a: 1 })).toBe(false);
    expect(matches({ a: { $absent: true } }, {})).toBe(true);
    expect(matches({ a: { $absent: true } }, { a: null })).toBe(false);
    expect(matches([1, 2], [1, 2, 3])).toBe(false);
    expect(matches([], {})).toBe(false);
    expect(matches({}, [])).toBe(false);
  });

  it('compare kinds and numbers', () => {
    expect([
      matches({ $is: 'int' }, 5),
      matches({ $is: 'int' }, 0.5),
      matches({ $is: 'str' }, 5),
      matches({ $is: 'nothing' }, 5),
    ]).toEqual([true, false, false, false]);
    expect([matches({ $above: 4 }, 5), matches({ $above: 5 }, 5), matches({ $above: '$a' }, 5, { $a: 4 })]).toEqual([
      true,
      false,
      true,
    ]);
    expect([matches({ $has: [2] }, [1, 2]), matches({ $has: [3] }, [1, 2]), matches({ $has: [3] }, 3)]).toEqual([
      true,
      false,
      false,
    ]);
  });

  it('bind and compare placeholders', () => {
    expect(match({ id: '$id', same: '$id' }, { id: 'x', same: 'x' }, {})).toEqual({ ok: true, value: { $id: 'x' } });
    expect(matches({ id: '$id', same: '$id' }, { id: 'x', same: 'y' })).toBe(false);
    expect(match({ $differs: '$a', $as: '$b' }, 2, { $a: 1 })).toEqual({ ok: true, value: { $a: 1, $b: 2 } });
    expect(matches({ $differs: '$a' }, 1, { $a: 1 })).toBe(false);
    expect(fill({ a: ['$a'], b: { $repeat: ['x', 2] } }, { $a: 1 })).toEqual({ a: [1], b: { $repeat: ['x', 2] } });
    expect(() => fill('$unbound', {})).toThrow('not bound');
  });
});
