/** `client.agent.onNotification` with a server in memory. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Client, ClientWarning } from '../../src/client/client.ts';
import { testServer, type Muster } from '../../src/testing/index.ts';

const RESIZER = { name: 'resizer', capabilities: ['resize'] };

let muster: Muster;
let speaker: Client;

beforeEach(async () => {
  muster = await testServer();
  speaker = await muster.connect({ role: 'member' });
});
afterEach(() => muster.close());

/** What a handler gets, and how to let it go on. */
function handled(agent: Client): { readonly begun: string[]; readonly next: () => void; readonly stop: () => void } {
  const begun: string[] = [];
  const ends: (() => void)[] = [];
  const stop = agent.agent.onNotification(async ({ message }) => {
    begun.push(message);
    await new Promise<void>((resolve) => ends.push(resolve));
  });
  return { begun, next: () => ends.shift()?.(), stop };
}

describe('a handler of notifications', () => {
  it('gets those to its agent, to a capability and to everyone, one after the other', async () => {
    const agent = await muster.connect({ agent: RESIZER });
    const { begun, next, stop } = handled(agent);
    await speaker.notification.send({ agentId: agent.agentId ?? '', type: 'hint', message: 'one' });
    await speaker.notification.broadcast({ audience: { capability: 'resize' }, type: 'hint', message: 'two' });
    await speaker.notification.broadcast({ audience: { all: true }, type: 'hint', message: 'three' });
    await speaker.notification.broadcast({ audience: { capability: 'other' }, type: 'hint', message: 'not this' });
    await muster.settle();
    expect(begun).toEqual(['one']);
    next();
    await muster.settle();
    expect(begun).toEqual(['one', 'two']);
    next();
    await muster.settle();
    expect(begun).toEqual(['one', 'two', 'three']);
    stop();
    next();
    await speaker.notification.broadcast({ audience: { all: true }, type: 'hint', message: 'later' });
    await muster.settle();
    expect(begun).toEqual(['one', 'two', 'three']);
  });

  it('gets what was said while its agent was away, each once', async () => {
    const before = await muster.connect({ agent: RESIZER });
    const agentId = before.agentId ?? '';
    await before.close();
    for (const message of ['one', 'two']) await speaker.notification.send({ agentId, type: 'hint', message });
    const agent = await muster.connect({ agent: RESIZER });
    const heard: string[] = [];
    agent.agent.onNotification(({ message }) => heard.push(message));
    await muster.settle();
    expect(heard).toEqual(['one', 'two']);
    // The position says so: another process is told nothing again.
    await muster.advance(30_000);
    await agent.close();
    const again = await muster.connect({ agent: RESIZER });
    again.agent.onNotification(({ message }) => heard.push(message));
    await muster.settle();
    expect(heard).toEqual(['one', 'two']);
  });

  it('that fails is a warning, and gets the next', async () => {
    const agent = await muster.connect({ agent: RESIZER });
    const warnings: ClientWarning[] = [];
    agent.on('warning', (warning) => warnings.push(warning));
    const heard: string[] = [];
    agent.agent.onNotification(({ message }) => {
      heard.push(message);
      if (message === 'one') throw new Error('no room');
    });
    for (const message of ['one', 'two'])
      await speaker.notification.broadcast({ audience: { all: true }, type: 'hint', message });
    await muster.settle();
    expect(heard).toEqual(['one', 'two']);
    expect(warnings).toMatchObject([{ kind: 'notification', message: 'no room' }]);
  });

  it('needs an agent', () => {
    expect(() => speaker.agent.onNotification(() => undefined)).toThrow('This client is no agent');
  });
});
