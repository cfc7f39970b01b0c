/** Notifications by example: what they cost, what gives way at the bounds, who may, under which version. */
import { describe, expect, it } from 'vitest';
import { LIMITS } from '../../../protocol/wire/limits.ts';
import { TABLES } from '../../../src/engine/kernel/image.ts';
import { ENGINE_VERSION, type Push } from '../../../src/engine/port.ts';
import { codeOf, Rig } from '../rig.ts';

const said = { type: 't', message: 'm' };
const everyone = { audience: { all: true }, ...said };

function ready(): { readonly rig: Rig; readonly admin: string } {
  const rig = new Rig();
  rig.one({ kind: 'up', incarnation: 'i1', node: 'n1', version: ENGINE_VERSION });
  for (let version = 2; version <= ENGINE_VERSION; version += 1) rig.one({ kind: 'upgrade', version });
  return { rig, admin: rig.session() };
}

/** A request that is not remembered, so that nothing but its own work is counted. */
function say(rig: Rig, session: string, params: object): string {
  return codeOf(rig.ask(session, 'notification.broadcast', params, { id: 0 }).reply);
}

function told(pushes: readonly Push[]): readonly string[] {
  return pushes
    .filter(({ event }) => event === 'notification')
    .map(({ data }) => (data as { readonly message: string }).message);
}

/** Agent `a` goes, `count` notifications are said to it, and it comes back as another process: what it is told. */
function afterAbsence(count: number, priorityOf: (n: number) => string): readonly Push[] {
  const { rig, admin } = ready();
  const agent = rig.agent('a');
  rig.one({ kind: 'session.lost', session: agent.session, attach: 1 });
  for (let n = 0; n < count; n += 1) {
    const params = { audience: { agentIds: [agent.id] }, type: 't', message: String(n), priority: priorityOf(n) };
    say(rig, admin, params);
  }
  const before = rig.pushes.length;
  rig.agent('a');
  return rig.pushes.slice(before).filter(({ event }) => event.startsWith('notification'));
}

describe('what a broadcast costs', () => {
  /** Records written, pushes and bytes of log of a broadcast, and of hearing that all that are attached have it. */
  function costOf(agents: number, audience: object): object {
    const { rig, admin } = ready();
    for (let n = 0; n < agents; n += 1) rig.agent(`a${n}`, { capabilities: ['c'] });
    let writes = 0;
    for (const name of TABLES) rig.engine.state[name].watch(() => (writes += 1));
    const before = rig.pushes.length;
    expect(say(rig, admin, { audience, ...said })).toBe('ok');
    const kept = rig.engine.state.notifications.size;
    rig.one({ kind: 'notifications.passed', rev: rig.engine.state.rev });
    expect(rig.engine.state.notifications.size, 'what all have is kept no longer').toBe(0);
    const bytes = rig.log.slice(-2).reduce((sum, { payload }) => sum + payload.length, 0);
    return { writes, pushes: rig.pushes.length - before, kept, bytes };
  }

  it.each([{ all: true }, { capability: 'c' }])(
    'to 5,000 that are connected is the same as to 5: %o',
    (audience) => {
      const few = costOf(5, audience);
      expect(costOf(5_000, audience)).toEqual(few);
      // The record and its timer, and their end.
      expect(few).toMatchObject({ writes: 4, pushes: 1, kept: 1 });
    },
    120_000,
  );

  it('is kept once for 1,000 that are away, and each is told alone, when it comes', () => {
    const { rig, admin } = ready();
    const sessions = Array.from({ length: 1_000 }, (_, n) => rig.agent(`a${n}`).session);
    for (const session of sessions) rig.one({ kind: 'session.lost', session, attach: 1 });
    say(rig, admin, everyone);
    expect(rig.engine.state.notifications.size).toBe(1);
    const before = rig.pushes.length;
    const { id } = rig.agent('a7');
    const again = rig.pushes.slice(before).filter(({ event }) => event === 'notification');
    expect(again.map(({ to }) => to)).toEqual([[`a:${id}`]]);
  }, 60_000);
});

describe('at the bounds', () => {
  it('the oldest of the lowest priority gives way, and the agent is told of the gap before all else', () => {
    const pushes = afterAbsence(LIMITS.notificationsKept + 2, (n) => (n === 3 || n === 9 ? 'low' : 'normal'));
    expect(pushes[0]?.event).toBe('notification.gap');
    expect(pushes[0]?.data).toMatchObject({ lost: [{ audience: { agentIds: [expect.any(String)] } }] });
    const messages = told(pushes);
    expect(messages).toHaveLength(LIMITS.notificationsKept);
    expect(messages).not.toContain('3');
    expect(messages).not.toContain('9');
    expect(messages.map(Number)).toEqual(messages.map(Number).toSorted((a, b) => a - b));
  });

  it('one of a lower priority than all is refused, and nothing is lost', () => {
    const pushes = afterAbsence(LIMITS.notificationsKept + 2, (n) =>
      n < LIMITS.notificationsKept ? 'high' : 'normal',
    );
    expect(told(pushes)).toHaveLength(LIMITS.notificationsKept);
    expect(pushes.map(({ event }) => event)).not.toContain('notification.gap');
  });

  it('nobody is told of a gap who had what gave way', () => {
    const { rig, admin } = ready();
    const here = rig.agent('here');
    const away = rig.agent('away');
    rig.one({ kind: 'session.lost', session: away.session, attach: 1 });
    for (let n = 0; n <= LIMITS.notificationsKept; n += 1) say(rig, admin, everyone);
    rig.one({ kind: 'session.lost', session: here.session, attach: 1, seen: rig.engine.state.rev });
    const before = rig.pushes.length;
    rig.agent('here');
    expect(rig.names({ pushes: rig.pushes.slice(before) })).toEqual(['agent.online']);
    rig.agent('away');
    expect(rig.names({ pushes: rig.pushes.slice(before) })).toContain('notification.gap');
  });

  it('bytes of the tenant are bounded over all audiences', () => {
    const { rig, admin } = ready();
    const agents = Array.from({ length: 4 }, (_, n) => rig.agent(`a${n}`));
    for (const { session } of agents) rig.one({ kind: 'session.lost', session, attach: 1 });
    const data = 'x'.repeat(60_000);
    for (let n = 0; n < 640; n += 1) {
      const audience = { agentIds: [agents[n % 4]?.id ?? ''] };
      expect(say(rig, admin, { audience, ...said, data })).toBe('ok');
    }
    const { notificationBook, notificationFloors } = rig.engine.state;
    expect(notificationBook.bytes).toBeLessThanOrEqual(LIMITS.notificationsKeptBytes);
    expect(notificationBook.bytes).toBeGreaterThan(LIMITS.notificationsKeptBytes - 70_000);
    expect(notificationFloors.size).toBe(4);
  });

  it('of too many audiences a gap is told to everyone', () => {
    const { rig, admin } = ready();
    const agent = rig.agent('a', { capabilities: ['c0'] });
    rig.one({ kind: 'session.lost', session: agent.session, attach: 1 });
    const lots = LIMITS.notificationsKeptMax + LIMITS.notificationFloorsMax + 2;
    for (let n = 1; n <= lots; n += 1) say(rig, admin, { audience: { capability: `c${n}` }, ...said });
    expect(rig.engine.state.notifications.size).toBe(LIMITS.notificationsKeptMax);
    expect(rig.engine.state.notificationFloors.size).toBe(LIMITS.notificationFloorsMax + 1);
    expect(rig.engine.state.notificationFloors.get('e:all')).toBeDefined();
  }, 60_000);
});

describe('who gets a notification', () => {
  it('is an agent that was registered with a session that was there before, once', () => {
    const { rig, admin } = ready();
    const first = rig.agent('a');
    rig.one({ kind: 'session.lost', session: first.session, attach: 1 });
    const second = rig.session({ who: 'key:a' });
    say(rig, admin, everyone);
    say(rig, admin, { audience: { agentIds: [first.id] }, type: 't', message: 'own' });
    const before = rig.pushes.length;
    rig.ask(second, 'agent.register', { name: 'a', capabilities: ['work'] });
    // What was said to everyone the session has heard.
    expect(told(rig.pushes.slice(before))).toEqual(['own']);
  });

  it('is nobody who may not speak: the roles of the table', () => {
    const { rig } = ready();
    const viewer = rig.session({ role: 'viewer', who: 'key:v' });
    expect(say(rig, viewer, everyone)).toBe('UNAUTHORIZED');
    const member = rig.session({ role: 'member', who: 'key:m' });
    expect(say(rig, member, everyone)).toBe('ok');
  });

  it('is nobody under a version without notifications', () => {
    const rig = new Rig();
    const admin = rig.session();
    rig.agent('a');
    expect(say(rig, admin, everyone)).toBe('UNAVAILABLE');
    expect(rig.engine.state.agents.hold().map(({ notified }) => notified)).toEqual([undefined]);
  });

  it('is an agent of a state that was upgraded, from then on', () => {
    const rig = new Rig();
    const admin = rig.session();
    const agent = rig.agent('a');
    for (let version = 2; version <= ENGINE_VERSION; version += 1) rig.one({ kind: 'upgrade', version });
    say(rig, admin, everyone);
    rig.one({ kind: 'up', incarnation: 'i2', node: 'n1', version: ENGINE_VERSION });
    const before = rig.pushes.length;
    expect(rig.agent('a').id).toBe(agent.id);
    expect(told(rig.pushes.slice(before))).toEqual(['m']);
  });
});
