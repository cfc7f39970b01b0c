import { describe, expect, it } from 'vitest';
import type { RuleAdd, RuleUpdate } from '../../protocol/wire/rules.ts';
import { must } from '../../src/base/assert.ts';
import { explain } from '../../src/engine/assignment/explain.ts';
import { ENGINE_VERSION } from '../../src/engine/port.ts';
import { getRule, listRules } from '../../src/engine/queries.ts';
import { compileRule } from '../../src/rules/index.ts';
import { codeOf, expectSound, Rig } from './rig.ts';

function newest(): Rig {
  const rig = new Rig();
  for (let version = 2; version <= ENGINE_VERSION; version += 1) rig.one({ kind: 'upgrade', version });
  return rig;
}

/** As the node does it: the trees stand beside the sources. */
function trees(rule: Partial<RuleUpdate>) {
  const compiled = compileRule(rule);
  if (!compiled.ok) throw new Error(JSON.stringify(compiled.error));
  return { ...rule, trees: compiled.value };
}

function add(rig: Rig, boss: string, rule: RuleAdd) {
  return rig.ask(boss, 'rule.add', trees(rule)).reply;
}

function update(rig: Rig, boss: string, rule: RuleUpdate) {
  return rig.ask(boss, 'rule.update', trees(rule)).reply;
}

interface Labelled {
  readonly session: string;
  readonly id: string;
}

function labelled(
  rig: Rig,
  name: string,
  labels: Record<string, string>,
  more: { readonly capacity?: number; readonly cost?: number; readonly capabilities?: string[] } = {},
): Labelled {
  const { cost, ...shape } = more;
  const agent = rig.agent(name, shape);
  rig.ask(agent.session, 'agent.update', { labels, ...(cost === undefined ? {} : { cost }) });
  return agent;
}

const holder = (rig: Rig, { id }: { readonly id: string }) => rig.task(id).agentId;

function finish(rig: Rig, agent: Labelled, id: string): void {
  rig.ask(agent.session, 'task.complete', { id, token: rig.task(id).token });
}

describe('filters', () => {
  it('keep agents from tasks, and explain says which rule does', () => {
    const rig = newest();
    const boss = rig.session();
    const eu = labelled(rig, 'eu', { region: 'eu' }, { capacity: 2 });
    const us = labelled(rig, 'us', { region: 'us' }, { capacity: 2 });
    expect(codeOf(add(rig, boss, { name: 'only eu', filter: 'agent.labels.region == "eu"' }))).toBe('ok');
    const tasks = [1, 2, 3].map(() => rig.create(boss));
    expect(tasks.map((task) => holder(rig, task))).toEqual([eu.id, eu.id, undefined]);
    const third = must(tasks[2], 'the third');
    const explained = explain(rig.engine, { id: third.id, limit: 10 });
    expect(explained).toMatchObject({ verdict: 'full', rules: [{ name: 'only eu', applies: true, excludes: 1 }] });
    expect(explained?.agents).toMatchObject([
      { name: 'eu', verdict: 'full' },
      { name: 'us', verdict: 'rule', rule: 'only eu' },
    ]);
    rig.ask(eu.session, 'agent.update', { labels: { region: 'asia' } });
    expect(explain(rig.engine, { id: third.id, limit: 10 })?.verdict).toBe('rule');
    rig.ask(us.session, 'agent.update', { labels: { region: 'eu' } });
    expect(holder(rig, third)).toBe(us.id);
    expectSound(rig.engine);
  });

  it('may look at what moves', () => {
    const rig = newest();
    const boss = rig.session();
    const agent = labelled(rig, 'one', {}, { capacity: 4 });
    add(rig, boss, { name: 'half', filter: 'agent.load < 0.5' });
    const tasks = [1, 2, 3].map(() => rig.create(boss));
    expect(tasks.map((task) => holder(rig, task))).toEqual([agent.id, agent.id, undefined]);
    finish(rig, agent, must(tasks[0], 'a task').id);
    expect(tasks.map((task) => holder(rig, task))).toEqual([agent.id, agent.id, agent.id]);
    add(rig, boss, { name: 'busy', filter: 'agent.active >= 2 || task.type == "first"' });
    expectSound(rig.engine);
  });

  it('may let an agent have more once it has something', () => {
    const rig = newest();
    const boss = rig.session();
    const agent = labelled(rig, 'one', {}, { capacity: 4, capabilities: ['a', 'b'] });
    add(rig, boss, { name: 'together', type: 'b', filter: 'agent.active > 0' });
    const waits = rig.create(boss, { type: 'b' });
    expect(holder(rig, waits)).toBeUndefined();
    rig.create(boss, { type: 'a' });
    expect(holder(rig, waits)).toBe(agent.id);
    expectSound(rig.engine);
  });

  it('that read the task are asked for each pair', () => {
    const rig = newest();
    const boss = rig.session();
    const agents = Array.from({ length: 70 }, (_, i) => labelled(rig, `a${i}`, { region: `r${i}` }));
    add(rig, boss, { name: 'same region', filter: 'agent.labels.region == task.labels.region' });
    for (const i of [69, 0, 33, 68]) {
      const task = rig.create(boss, { labels: { region: `r${i}` } });
      rig.entry([{ kind: 'continue' }]);
      expect(holder(rig, task)).toBe(agents[i]?.id);
    }
    expectSound(rig.engine);
  });

  it('that read the task find the one task of many that an agent may have', () => {
    const rig = newest();
    const boss = rig.session();
    add(rig, boss, { name: 'same region', filter: 'agent.labels.region == task.labels.region' });
    const tasks = Array.from({ length: 200 }, (_, i) => rig.create(boss, { labels: { region: `r${i}` } }));
    for (const i of [180, 3, 199]) {
      const agent = labelled(rig, `a${i}`, { region: `r${i}` });
      while (rig.engine.state.work.size > 0) rig.entry([{ kind: 'continue' }]);
      expect(holder(rig, must(tasks[i], 'a task'))).toBe(agent.id);
    }
    expectSound(rig.engine);
  });

  it('that fail do not apply, or exclude if that was asked for, and the failure shows', () => {
    const rig = newest();
    const boss = rig.session();
    const agent = labelled(rig, 'one', { mem: 'much' }, { capacity: 2 });
    add(rig, boss, { name: 'mem', filter: 'int(agent.labels.mem) > 3' });
    expect(holder(rig, rig.create(boss))).toBe(agent.id);
    expect(getRule(rig.engine, 'mem')?.errors).toMatchObject({ last: 'no int can be made of this string' });
    update(rig, boss, { name: 'mem', onError: 'exclude' });
    const waits = rig.create(boss);
    expect(holder(rig, waits)).toBeUndefined();
    expect(explain(rig.engine, { id: waits.id, limit: 1 })?.rules).toMatchObject([
      { name: 'mem', excludes: 1, agentError: 'no int can be made of this string' },
    ]);
    update(rig, boss, { name: 'mem', enabled: false });
    expect(holder(rig, waits)).toBe(agent.id);
  });
});

describe('conditions', () => {
  it('say to which tasks a rule applies, as they are when they wait', () => {
    const rig = newest();
    const boss = rig.session();
    const old = labelled(rig, 'old', {}, { capacity: 5 });
    const good = labelled(rig, 'good', { tier: 'gold' }, { capacity: 5 });
    add(rig, boss, { name: 'second try', condition: 'task.attempt > 1', filter: 'agent.labels.tier == "gold"' });
    const task = rig.create(boss, { retry: { maxAttempts: 3, initialDelayMs: 0 } });
    expect(holder(rig, task)).toBe(old.id);
    rig.ask(old.session, 'task.fail', {
      id: task.id,
      token: rig.task(task.id).token,
      error: { code: 'E', message: '' },
    });
    rig.tick(10);
    expect(holder(rig, task)).toBe(good.id);
    rig.ask(good.session, 'task.fail', {
      id: task.id,
      token: rig.task(task.id).token,
      error: { code: 'E', message: '' },
    });
    rig.tick(3_000);
    expect(holder(rig, task)).toBe(good.id);
  });

  it('are asked again when the priority changes', () => {
    const rig = newest();
    const boss = rig.session();
    const agent = labelled(rig, 'one', {});
    add(rig, boss, { name: 'urgent', filter: 'task.priority == "critical"' });
    add(rig, boss, { name: 'never', condition: 'task.priority == "high"', filter: 'false' });
    const task = rig.create(boss);
    rig.ask(boss, 'task.reprioritise', { id: task.id, priority: 'high' });
    expect(explain(rig.engine, { id: task.id, limit: 1 })?.rules).toMatchObject([{ excludes: 1 }, { applies: true }]);
    rig.ask(boss, 'task.reprioritise', { id: task.id, priority: 'critical' });
    expect(holder(rig, task)).toBe(agent.id);
  });

  it('that fail do not apply', () => {
    const rig = newest();
    const boss = rig.session();
    const agent = labelled(rig, 'one', {});
    add(rig, boss, { name: 'size', condition: 'task.parameters.size > 10', filter: 'false' });
    const task = rig.create(boss, { parameters: {} });
    expect(holder(rig, task)).toBe(agent.id);
    expect(explain(rig.engine, { id: task.id, limit: 1 })?.rules).toMatchObject([
      { name: 'size', applies: false, error: 'no such key: size' },
    ]);
  });
});

describe('strategy rule_based', () => {
  it('goes by the rules in their order, then by the strategy of the first that names one', () => {
    const rig = newest();
    const boss = rig.session();
    rig.ask(boss, 'strategy.set', { scope: 'tenant', strategy: 'rule_based' });
    const dear = labelled(rig, 'dear', { gpu: 'yes', zone: 'a' }, { cost: 9 });
    const cheap = labelled(rig, 'cheap', { gpu: 'yes', zone: 'a' }, { cost: 3 });
    const plain = labelled(rig, 'plain', { zone: 'a' }, { cost: 1 });
    const far = labelled(rig, 'far', { gpu: 'yes' }, { cost: 1 });
    add(rig, boss, { name: 'zone', prefer: 'agent.labels.zone == "a"' });
    add(rig, boss, { name: 'gpu', prefer: '"gpu" in agent.labels ? 1 : 0', strategy: 'cost_optimised' });
    add(rig, boss, { name: 'too late', prefer: 'agent.cost' });
    const chosen = [1, 2, 3, 4].map(() => holder(rig, rig.create(boss)));
    expect(chosen).toEqual([cheap.id, dear.id, plain.id, far.id]);
    const waits = rig.create(boss);
    expect(explain(rig.engine, { id: waits.id, limit: 4 })?.rules).toMatchObject([
      { name: 'zone', orders: 'prefer' },
      { name: 'gpu', orders: 'both' },
      { name: 'too late', applies: true },
    ]);
    expect(codeOf(rig.ask(boss, 'rule.reorder', { names: ['gpu'] }).reply)).toBe('ok');
    for (const agent of [dear, cheap, plain, far]) {
      for (const task of rig.engine.state.tasksById) {
        if (task.agentId === agent.id && task.status === 'assigned') finish(rig, agent, task.id);
      }
    }
    rig.wait(10);
    const again = [1, 2].map(() => holder(rig, rig.create(boss)));
    expect(again).not.toContain(plain.id);
  });

  it('may weigh an agent for the task', () => {
    const rig = newest();
    const boss = rig.session();
    const agents = ['eu', 'us', 'asia'].map((region) => labelled(rig, region, { region }, { capacity: 3 }));
    add(rig, boss, { name: 'near', prefer: 'agent.labels.region == task.labels.region ? 2 : 0' });
    for (const [i, region] of ['eu', 'us', 'asia'].entries()) {
      const task = rig.create(boss, { strategy: 'rule_based', labels: { region } });
      expect(holder(rig, task)).toBe(agents[i]?.id);
      expect(explain(rig.engine, { id: task.id, limit: 3 })?.agents[0]).toMatchObject({ score: { prefer: [2] } });
    }
  });

  it('without rules is least_loaded', () => {
    const rig = newest();
    const boss = rig.session();
    const [a, b] = [labelled(rig, 'a', {}, { capacity: 2 }), labelled(rig, 'b', {}, { capacity: 2 })];
    const chosen = [1, 2].map(() => holder(rig, rig.create(boss, { strategy: 'rule_based' })));
    expect(new Set(chosen)).toEqual(new Set([a.id, b.id]));
  });
});

describe('a change of rules', () => {
  it('is for what waits, and takes nothing away', () => {
    const rig = newest();
    const boss = rig.session();
    const [a, b] = [labelled(rig, 'a', { k: 'a' }), labelled(rig, 'b', { k: 'b' })];
    add(rig, boss, { name: 'none', filter: 'false' });
    const tasks = [1, 2, 3].map((_, i) => rig.create(boss, { priority: i === 2 ? 'critical' : 'low' }));
    expect(tasks.map((task) => holder(rig, task))).toEqual([undefined, undefined, undefined]);
    update(rig, boss, { name: 'none', filter: 'agent.labels.k == "b"' });
    expect(tasks.map((task) => holder(rig, task))).toEqual([undefined, undefined, b.id]);
    update(rig, boss, { name: 'none', filter: 'false' });
    expect(holder(rig, must(tasks[2], 'a task'))).toBe(b.id);
    expect(codeOf(rig.ask(boss, 'rule.remove', { name: 'none' }).reply)).toBe('ok');
    expect(tasks.map((task) => holder(rig, task))).toEqual([a.id, undefined, b.id]);
    expectSound(rig.engine);
  });

  it('reaches thousands of waiting tasks in small steps', () => {
    const rig = newest();
    const boss = rig.session();
    add(rig, boss, { name: 'none', filter: 'false' });
    const agent = labelled(rig, 'a', {}, { capacity: 3 });
    for (let i = 0; i < 9; i += 1) {
      rig.ask(boss, 'task.createBatch', { tasks: Array.from({ length: 500 }, () => ({ type: 'work' })) });
      while (rig.engine.state.work.size > 0) rig.entry([{ kind: 'continue' }]);
    }
    rig.ask(boss, 'rule.remove', { name: 'none' });
    let entries = 0;
    for (; rig.engine.state.work.size > 0; entries += 1) rig.entry([{ kind: 'continue' }]);
    expect(entries).toBeGreaterThan(0);
    expect(rig.engine.state.agents.get(agent.id)?.active).toBe(3);
    expectSound(rig.engine);
  });

  it('is refused where it cannot be', () => {
    const rig = newest();
    const boss = rig.session();
    expect(codeOf(add(rig, boss, { name: 'a', filter: 'true', prefer: '1' }))).toBe('ok');
    expect(codeOf(add(rig, boss, { name: 'a', filter: 'true' }))).toBe('ALREADY_EXISTS');
    expect(codeOf(update(rig, boss, { name: 'b', filter: 'true' }))).toBe('RULE_NOT_FOUND');
    expect(codeOf(update(rig, boss, { name: 'a', filter: null }))).toBe('ok');
    expect(codeOf(update(rig, boss, { name: 'a', prefer: null }))).toBe('INVALID_PARAMS');
    expect(codeOf(rig.ask(boss, 'rule.remove', { name: 'b' }).reply)).toBe('RULE_NOT_FOUND');
    expect(codeOf(rig.ask(boss, 'rule.reorder', { names: ['b'] }).reply)).toBe('RULE_NOT_FOUND');
    for (let i = 1; i < 200; i += 1) add(rig, boss, { name: `r${i}`, strategy: 'random' });
    expect(codeOf(add(rig, boss, { name: 'more', filter: 'true' }))).toBe('LIMIT_EXCEEDED');
    const names: string[] = [];
    for (let cursor: string | undefined; ;) {
      const page = listRules(rig.engine, { limit: 30, ...(cursor === undefined ? {} : { cursor }) });
      names.push(...page.items.map(({ name }) => name));
      cursor = page.next;
      if (cursor === undefined) break;
    }
    expect(names).toEqual(['a', ...Array.from({ length: 199 }, (_, i) => `r${i + 1}`)]);
  });
});
