import { describe, expect, it } from 'vitest';
import { ENGINE_VERSION } from '../../src/engine/port.ts';
import { explain } from '../../src/engine/queries.ts';
import { stateHash } from '../../src/engine/kernel/image.ts';
import { codeOf, expectSound, Rig, sha256 } from './rig.ts';

function newest(o = {}): Rig {
  const rig = new Rig(o);
  for (let v = 2; v <= ENGINE_VERSION; v += 1) rig.one({ kind: 'upgrade', version: v });
  return rig;
}
const E = { code: 'E', message: 'm' };
const end = (rig: Rig, a: any, id: string, how: any = 'complete') =>
  rig.ask(a.session, `task.${how}` as any, { id, token: rig.task(id).token, error: E });
const start = (rig: Rig, a: any, id: string) => rig.ask(a.session, 'task.start', { id, token: rig.task(id).token });
const ag = (rig: Rig, a: any) => rig.engine.state.agents.get(a.id)!;
const K = (max: number, more = {}) => ({ concurrency: { key: 'k', max, ...more } });
const whole = (rig: Rig) => {
  // continuous against restored at each entry
  const cont = rig.hash();
  return cont;
};

describe('A concurrency', () => {
  it('A1 a task of another capability with the same key is stranded', () => {
    const rig = newest(); const boss = rig.session();
    const a = rig.agent('a', { capabilities: ['x'] }); const b = rig.agent('b', { capabilities: ['y'] });
    const t1 = rig.create(boss, { type: 'x', ...K(1) }).id;
    const t2 = rig.create(boss, { type: 'y', ...K(1) }).id;
    expect(rig.task(t2).status).toBe('pending');
    end(rig, a, t1);
    expect(rig.task(t2).status).toBe('assigned');
  });
  it('A2 cancel of the holder strands the next one', () => {
    const rig = newest(); const boss = rig.session();
    rig.agent('a'); rig.agent('b');
    const t1 = rig.create(boss, K(1)).id; const t2 = rig.create(boss, K(1)).id;
    rig.ask(boss, 'task.cancel', { id: t1 });
    expect(rig.task(t2).status).toBe('assigned');
  });
  it('A3 restored differs from continuous', () => {
    const rig = newest(); const boss = rig.session();
    const a = rig.agent('a', { capabilities: ['x'] }); const b = rig.agent('b', { capabilities: ['y', 'z'] });
    const t1 = rig.create(boss, { type: 'x', ...K(1) }).id;
    const t2 = rig.create(boss, { type: 'y', ...K(1) }).id;
    const z = rig.create(boss, { type: 'z' }).id;
    end(rig, b, z); // b's fill notices that t2 is blocked
    const fresh = rig.restored();
    end(rig, a, t1);
    rig.replayed(fresh);
    expect(stateHash(fresh.state, sha256)).toBe(rig.hash());
  });
  it('A4 unblock gives a less urgent task to the freed agent (J8)', () => {
    const rig = newest(); const boss = rig.session();
    const a = rig.agent('a', { capacity: 2 });
    const t1 = rig.create(boss, K(1)).id; const p1 = rig.create(boss).id;
    start(rig, a, t1); start(rig, a, p1);
    const t2 = rig.create(boss, { ...K(1), priority: 'low' }).id;
    end(rig, a, p1); // t2 noticed as blocked
    const p2 = rig.create(boss, { priority: 'critical' }).id; start(rig, a, p2);
    const p3 = rig.create(boss, { priority: 'critical' }).id;
    end(rig, a, t1);
    expect([rig.task(p3).status, rig.task(t2).status]).toEqual(['assigned', 'pending']);
  });
  it('A5 chain stops at a task that nobody can take', () => {
    const rig = newest(); const boss = rig.session();
    const a = rig.agent('a', { capabilities: ['x'], capacity: 2 }); const b = rig.agent('b', { capabilities: ['y', 'z', 'nobusy'], capacity: 3 });
    const xs = [1, 2].map(() => rig.create(boss, { type: 'x', ...K(2) }).id);
    const y1 = rig.create(boss, { type: 'y', ...K(2) }).id;
    const n = rig.create(boss, { type: 'nobody', ...K(2) }).id;
    const y2 = rig.create(boss, { type: 'y', ...K(2) }).id;
    const c = rig.agent('c', { capabilities: ['nobody'] });
    end(rig, b, rig.create(boss, { type: 'z' }).id);
    rig.ask(c.session, 'agent.status', { status: 'maintenance' });
    // both slots become free in one entry
    rig.entry([0, 1].map((i) => ({ kind: 'request', session: boss, id: 100 + i, hash: 1, ack: 0, method: 'task.cancel', params: { id: xs[i] } })) as any);
    expect(rig.task(y1).status + rig.task(y2).status).toBe('assignedassigned');
  });
});

describe('B sticky', () => {
  const S = { sticky: { key: 's', mode: 'hard' } };
  it('B1 stuck agent fits no more after agent.update', () => {
    const rig = newest(); const boss = rig.session();
    const a = rig.agent('a', { capabilities: ['work'] });
    const t1 = rig.create(boss, S).id; start(rig, a, t1);
    const t2 = rig.create(boss, S).id;
    rig.agent('b');
    expect(rig.task(t2).status).toBe('pending');
    rig.ask(a.session, 'agent.update', { capabilities: ['other'] });
    expect(rig.task(t2).status).toBe('assigned');
  });
  it('B2 key moves with a soft task, hard one waits on', () => {
    const rig = newest(); const boss = rig.session();
    const a = rig.agent('a', { capacity: 1 });
    const t1 = rig.create(boss, S).id; start(rig, a, t1);
    const h = rig.create(boss, S).id;
    const b = rig.agent('b', { capacity: 2 });
    const soft = rig.create(boss, { sticky: { key: 's', mode: 'soft' } }).id;
    expect(rig.task(soft).agentId).toBe(b.id);
    expect(rig.task(h).status).toBe('assigned');
  });
  it('B3 explain says sticky where pick gives', () => {
    const rig = newest(); const boss = rig.session();
    const a = rig.agent('a', { capabilities: ['work'] });
    const t1 = rig.create(boss, S).id; start(rig, a, t1);
    rig.ask(a.session, 'agent.update', { capabilities: ['other'] });
    const b = rig.agent('b'); rig.ask(b.session, 'agent.status', { status: 'active' });
    const t2 = rig.create(boss, S).id; start(rig, b, t2);
    // key is at b now: a fits no more; move back
    const c = rig.agent('c'); rig.ask(b.session, 'agent.update', { capabilities: ['other'] });
    rig.ask(c.session, 'agent.status', { status: 'maintenance' });
    const t3 = rig.create(boss, S).id;
    expect(explain({ state: rig.engine.state, groups: rig.engine.groups }, { id: t3, limit: 9 })!.agents.find((x: any) => x.agentId === c.id)!.verdict).toBe('notActive');
    const d = rig.agent('d2', { capabilities: ['work'] });
    expect(rig.task(t3).agentId).toBe(d.id);
  });
});

function fail20(rig: Rig, boss: string, a: any, n = 20) {
  let id = '';
  for (let i = 0; i < n; i += 1) { id = rig.create(boss, { retry: { maxAttempts: 1 } }).id; end(rig, a, id, 'fail'); }
}
describe('C quarantine and drain', () => {
  it('C1 a drain that ends as the quarantine begins', () => {
    const rig = newest(); const boss = rig.session();
    const a = rig.agent('a', { capacity: 1 });
    fail20(rig, boss, a, 19);
    const t = rig.create(boss, { retry: { maxAttempts: 1 } }).id;
    rig.ask(boss, 'agent.drain', { id: a.id });
    end(rig, a, t, 'fail');
    expect(ag(rig, a).declared).toBe('inactive');
  });
  it('C2 a failed probe with a concurrency key is given another at once', () => {
    const rig = newest(); const boss = rig.session();
    const a = rig.agent('a', { capacity: 2, capabilities: ['work'] }); 
    fail20(rig, boss, a);
    expect(ag(rig, a).health?.until).toBeDefined();
    const probe = rig.create(boss, { ...K(1), retry: { maxAttempts: 1 } }).id;
    rig.wait(61_000);
    expect(rig.task(probe).status).toBe('assigned'); start(rig, a, probe);
    const t2 = rig.create(boss, { ...K(1) }).id;
    // another agent notices the block
    const b = rig.agent('b', { capabilities: ['work'] }); rig.ask(b.session, 'agent.status', { status: 'maintenance' });
    end(rig, a, probe, 'fail');
    expect(rig.task(t2).status).toBe('pending');
    expect(ag(rig, a).health!.times).toBe(2);
  });
  it('C3 what was held before the probe decides instead of it', () => {
    const rig = newest(); const boss = rig.session();
    const a = rig.agent('a', { capacity: 2 });
    const old = rig.create(boss).id; start(rig, a, old);
    fail20(rig, boss, a);
    expect(ag(rig, a).health?.until).toBeDefined();
    const t2 = rig.create(boss).id;
    rig.wait(70_000);
    console.log('C3 pending while old is held:', rig.task(t2).status, JSON.stringify(ag(rig, a).health));
    rig.wait(600_000);
    console.log('C3 after 10 min:', rig.task(t2).status);
    end(rig, a, old);
    expect(ag(rig, a).health?.until).toBeDefined();
  });
  it('C4 a drain whose last slot is a stopping one, then BYE', () => {
    const rig = newest(); const boss = rig.session();
    const a = rig.agent('a');
    const t = rig.create(boss).id; start(rig, a, t);
    rig.ask(boss, 'agent.drain', { id: a.id });
    rig.ask(boss, 'task.cancel', { id: t });
    rig.one({ kind: 'session.bye', session: a.session, attach: 1, requeue: true } as any);
    expect(ag(rig, a).active).toBe(0);
    expect(ag(rig, a).declared).toBe('inactive');
  });
});

describe('D groups', () => {
  it('D1 two different sets of selectors share a group', () => {
    const rig = newest(); const boss = rig.session();
    const a = rig.agent('a', { capacity: 5 });
    rig.ask(a.session, 'agent.update', { labels: { a: 'foo' } });
    const t1 = rig.create(boss, { selectors: ['a=\nfoo'] }).id;
    expect(rig.task(t1).status).toBe('assigned');
    const t2 = rig.create(boss, { selectors: ['a=', 'foo'] }).id;
    expect(rig.task(t2).status).toBe('pending');
  });
  it('D2 rank beyond 100', () => {
    const rig = newest(); const boss = rig.session();
    const m = rig.agent('hold', { capabilities: ['none'] });
    for (let i = 0; i < 130; i += 1) rig.agent(`a${i}`);
    const t = rig.create(boss, { delayMs: 100000, type: 'work' }).id;
    rig.create(boss);
    const x = explain({ state: rig.engine.state, groups: rig.engine.groups }, { id: t, limit: 5 })!;
    console.log('D2', x.agents.map((one: any) => one.rank));
    expect(x.agents.map((one: any) => one.rank)).toEqual([1, 2, 3, 4, 5]);
  });
});

describe('E cost', () => {
  it('E1 key with n waiting', () => {
    for (const n of [2000, 8000]) {
      const rig = newest(); const boss = rig.session(); const a = rig.agent('a', { capacity: 1 });
      const first = rig.create(boss, K(1)).id;
      for (let i = 0; i < n / 1000; i += 1) rig.ask(boss, 'task.createBatch', { tasks: Array.from({ length: 1000 }, () => ({ type: 'work', ...K(1) })) });
      for (let i = 0; i < 60; i += 1) rig.one({ kind: 'continue' } as any);
      let id = first; let worst = 0;
      for (let i = 0; i < 20; i += 1) { const t0 = performance.now(); end(rig, a, id); worst = Math.max(worst, performance.now() - t0);
        id = [...rig.engine.state.heldByKey.of('k')!][0]!.id; }
      // with another agent whose fills notice the block
      const b = rig.agent('b', { capacity: 1 });
      let w2 = 0;
      for (let i = 0; i < 10; i += 1) { const t0 = performance.now(); const h = [...rig.engine.state.heldByKey.of('k')!][0]!; end(rig, h.agentId === a.id ? a : b, h.id); w2 = Math.max(w2, performance.now() - t0);
        }
      console.log('E1', n, worst.toFixed(1), w2.toFixed(1));
    }
  }, 60000);
  it('E2 hard sticky to a dead agent, n waiting', () => {
    const rig = newest(); const boss = rig.session(); const a = rig.agent('a');
    const S = { sticky: { key: 's', mode: 'hard' } };
    const t1 = rig.create(boss, S).id; start(rig, a, t1);
    for (let i = 0; i < 20; i += 1) rig.ask(boss, 'task.createBatch', { tasks: Array.from({ length: 1000 }, () => ({ type: 'work', ...S })) });
    for (let i = 0; i < 120; i += 1) rig.one({ kind: 'continue' } as any);
    const b = rig.agent('b'); let w = 0;
    for (let i = 0; i < 20; i += 1) { const id = rig.create(boss).id; const t0 = performance.now(); end(rig, b, id); w += performance.now() - t0; }
    console.log('E2 ms per complete with 20000 stuck:', (w / 20).toFixed(2));
  }, 60000);
  it('E3 distinct selectors', () => {
    const rig = newest(); const boss = rig.session();
    const as = Array.from({ length: 50 }, (_, i) => rig.agent(`a${i}`, { capacity: 1000 }));
    const time = () => { const t0 = performance.now(); for (let i = 0; i < 20; i += 1) rig.create(boss); return ((performance.now() - t0) / 20).toFixed(2); };
    console.log('E3 before', time());
    for (let i = 0; i < 9990; i += 1) rig.create(boss, { selectors: [`job!=${i}`] });
    console.log('E3 after', time());
    let w = 0; for (let i = 0; i < 30; i += 1) { const t0 = performance.now(); rig.create(boss, { selectors: [`jib!=${i}`] }); w = Math.max(w, performance.now() - t0); }
    console.log('E3 worst (dropIdle)', w.toFixed(1));
  }, 240000);
});
