/** Inspections of a node: one works at a time, and what is to be mended is looked for before the command. */
import { describe, expect, it } from 'vitest';
import { valueHash } from '../../protocol/wire/codec.ts';
import { LIMITS } from '../../protocol/wire/limits.ts';
import type { Method } from '../../protocol/wire/types.ts';
import { must } from '../../src/base/assert.ts';
import type { Reply } from '../../src/node/port.ts';
import { NodeRig, type Client } from '../support/node-rig.ts';

function send(client: Client, method: Method): { reply?: Reply } {
  const answer: { reply?: Reply } = {};
  const params = {};
  client.attached.request({ id: client.id, method, params, hash: valueHash([method, params]) }, (reply) => {
    answer.reply = reply;
  });
  return answer;
}

/** A subscription of a session that is not there. */
function plant(rig: NodeRig): void {
  const { state } = must(
    [...rig.node.servings].find(({ id }) => id === 'default'),
    'the tenant is served',
  ).tenant.engine;
  state.subs.put({ key: 'ses_gone topic', session: 'ses_gone', topic: 'topic', rev: 1 });
  state.journal.commit();
}

describe('inspections', () => {
  it.each(['tenant.check', 'tenant.mend'] as const)(
    'by %s take their turns; those that wait are answered by one',
    (method) => {
      const rig = new NodeRig().start();
      const [first, ...others] = Array.from({ length: 3 }, () => rig.client(rig.operator));
      const answers = [send(must(first, 'a client'), method)];
      rig.scheduler.settle();
      answers.push(...others.map((client) => send(client, method)));
      rig.scheduler.settle();
      expect(answers.map(({ reply }) => reply?.ok)).toEqual([true, undefined, undefined]);
      rig.scheduler.advance(4);
      expect(answers.map(({ reply }) => reply?.ok)).toEqual([true, true, true]);
    },
  );

  it('of another tenant wait for the one that works', () => {
    const rig = new NodeRig().start();
    const key = String(rig.result(rig.client(rig.operator), 'tenant.create', { id: 'other' })['key']);
    const answers = [rig.client(rig.operator), rig.client(rig.holder(key))].map((client) =>
      send(client, 'tenant.check'),
    );
    rig.scheduler.settle();
    expect(answers.map(({ reply }) => reply?.ok)).toEqual([true, undefined]);
    rig.scheduler.advance(4);
    expect(answers.map(({ reply }) => reply?.ok)).toEqual([true, true]);
  });

  it('that would wait in too long a line are refused, and the next one is taken when there is room', () => {
    const rig = new NodeRig().start();
    const client = rig.client(rig.operator);
    const answers = Array.from({ length: LIMITS.inspectionsMax + 1 }, () => send(client, 'tenant.check'));
    rig.scheduler.advance(LIMITS.inspectionsMax * 5);
    const refused = must(answers.pop(), 'the last').reply;
    expect(refused).toMatchObject({ ok: false, rejection: { code: 'UNAVAILABLE', retryAfterMs: 1_000 } });
    expect(answers.map(({ reply }) => reply?.ok)).not.toContain(false);
    expect(answers.map(({ reply }) => reply?.ok)).not.toContain(undefined);
    expect(rig.ask(client, 'tenant.check').ok).toBe(true);
  });

  it('find what a command then mends', () => {
    const rig = new NodeRig().start();
    const client = rig.client(rig.operator);
    plant(rig);
    expect(rig.result(client, 'tenant.check')['count']).toBe(1);
    rig.scheduler.advance(10);
    expect(rig.result(client, 'tenant.mend')).toEqual({ mended: 1, left: 0 });
    rig.scheduler.advance(10);
    expect(rig.result(client, 'tenant.check')['count']).toBe(0);
  });

  it('hold back what the same session asks afterwards', () => {
    const rig = new NodeRig().start();
    const client = rig.client(rig.operator);
    const mended = send(client, 'tenant.mend');
    const next = send(client, 'agent.heartbeat');
    const written = send(client, 'tenant.mend');
    rig.scheduler.settle();
    expect(next.reply?.ok).toBe(true);
    expect(mended.reply?.ok).toBe(true);
    expect(written.reply).toBeUndefined();
    rig.scheduler.advance(4);
    expect(written.reply?.ok).toBe(true);
  });
});
