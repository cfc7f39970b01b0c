/** A disk that is nearly full: every method of the operation table below, at and above each of the two bounds. */
import { beforeAll, describe, expect, test } from 'vitest';
import { LIMITS } from '../../protocol/wire/limits.ts';
import { OPERATIONS } from '../../protocol/wire/operations.ts';
import type { Method } from '../../protocol/wire/types.ts';
import { must } from '../../src/base/assert.ts';
import type { LogDriver } from '../../src/log/port.ts';
import type { Reply } from '../../src/node/port.ts';
import { validParams } from '../protocol/vectors/valid-params.ts';
import { NodeRig } from '../support/node-rig.ts';

const { diskFreeBytes, diskFreePercent } = LIMITS;
const MUCH = { freeBytes: 2 * diskFreeBytes, freePercent: 50 };
const BELOW = [
  ['bytes below the bound', { ...MUCH, freeBytes: diskFreeBytes - 1 }],
  ['a share below the bound', { ...MUCH, freePercent: diskFreePercent - 0.01 }],
  ['both below', { freeBytes: 0, freePercent: 0 }],
] as const;
const ENOUGH = [
  ['bytes at the bound', { ...MUCH, freeBytes: diskFreeBytes }],
  ['bytes above it', { ...MUCH, freeBytes: diskFreeBytes + 1 }],
  ['a share at the bound', { ...MUCH, freePercent: diskFreePercent }],
  ['a share above it', { ...MUCH, freePercent: diskFreePercent + 0.01 }],
  ['both at the bound', { freeBytes: diskFreeBytes, freePercent: diskFreePercent }],
  ['no disk that could be asked', undefined],
] as const;

const METHODS = Object.keys(OPERATIONS) as Method[];

/** Ends of work, and what frees something, may not need room that only they can make. */
const MUST_PASS: readonly Method[] = [
  ...(['task.accept', 'task.reject', 'task.start', 'task.progress', 'task.complete', 'task.fail'] as const),
  ...(['task.release', 'task.cancel', 'task.acknowledge', 'task.pause', 'task.resume', 'task.answer'] as const),
  ...(['lock.extend', 'lock.release', 'lock.cancel', 'lock.forceUnlock', 'section.unlock'] as const),
  ...(['agent.deregister', 'agent.drain', 'schedule.pause', 'schedule.delete', 'deadLetter.discard'] as const),
  ...(['document.delete', 'comment.delete', 'workspace.delete', 'member.remove', 'apiKey.revoke'] as const),
];
const MUST_BE_REFUSED: readonly Method[] = [
  ...(['task.create', 'task.createBatch', 'task.distribute', 'task.retry', 'task.output', 'task.delegate'] as const),
  ...(['schedule.create', 'deadLetter.replay', 'lock.acquire', 'topic.publish', 'notification.send'] as const),
  ...(['workspace.create', 'state.apply', 'document.create', 'document.update', 'comment.create'] as const),
  ...(['blob.put', 'apiKey.create', 'tenant.create'] as const),
];

/** New work; a blob is none of the log, and takes room all the same. */
function isNewWork(method: Method): boolean {
  const { access, ends } = OPERATIONS[method];
  return method === 'blob.put' || (access === 'write' && ends !== true);
}

/** A node whose disk has so much room, and what it answers to one method; each asks on a session of its own. */
class Disk {
  free: ReturnType<LogDriver['disk']>;
  readonly rig = new NodeRig({ free: () => this.free }).start();

  /** What was written for it, and the answer. */
  ask(method: Method): { readonly reply: Reply; readonly written: number } {
    const client = this.rig.client(this.rig.operator, { subs: [] });
    const before = this.#written();
    const params = validParams(method);
    let reply: Reply | undefined;
    client.attached.request({ id: client.id, method, params, hash: 1 }, (answer) => {
      reply = answer;
    });
    this.rig.scheduler.settle();
    // To mend goes in slices with rests between them.
    if (reply === undefined) this.rig.scheduler.advance(1_000);
    const written = this.#written() - before;
    client.attached.bye(true, () => undefined);
    this.rig.scheduler.settle();
    return { reply: must(reply, `an answer to ${method}`), written };
  }

  #written(): number {
    const entries = this.rig.node.servings.map(({ tenant }) => tenant.engine.state.counters.seq);
    return entries.reduce((sum, seq) => sum + seq, 0);
  }
}

function isRefused(reply: Reply): boolean {
  return !reply.ok && reply.rejection.message?.startsWith('The disk is nearly full') === true;
}

test('the table is whole, and says of what is known how it has to be', () => {
  expect(METHODS.length).toBeGreaterThan(120);
  expect(MUST_PASS.filter(isNewWork)).toEqual([]);
  expect(MUST_BE_REFUSED.filter((method) => !isNewWork(method))).toEqual([]);
});

describe.each(BELOW)('%s', (_, free) => {
  let disk: Disk;
  beforeAll(() => {
    disk = new Disk();
    disk.free = free;
  });

  test.each(METHODS.filter(isNewWork))('%s is refused, and nothing is written', (method) => {
    const { reply, written } = disk.ask(method);
    expect(reply).toMatchObject({ ok: false, rejection: { code: 'UNAVAILABLE', retryAfterMs: 1_000 } });
    expect([isRefused(reply), written]).toEqual([true, 0]);
  });

  test.each(METHODS.filter((method) => !isNewWork(method)))('%s passes', (method) => {
    expect(isRefused(disk.ask(method).reply)).toBe(false);
  });

  test('a blob over HTTP is refused too', () => {
    const serving = must(
      disk.rig.node.servings.find(({ id }) => id === 'default'),
      'the tenant',
    );
    const replies: Reply[] = [];
    const piece = { sha256: '0'.repeat(64), bytes: 1, offset: 0, data: new Uint8Array(1) };
    serving.requests.blobs(disk.rig.operator).put(piece, (reply) => replies.push(reply));
    disk.rig.scheduler.settle();
    expect(replies.map(isRefused)).toEqual([true]);
  });
});

describe.each(ENOUGH)('%s', (_, free) => {
  test('every method passes', () => {
    const disk = new Disk();
    disk.free = free;
    expect(METHODS.filter((method) => isRefused(disk.ask(method).reply))).toEqual([]);
  });
});

test('work that was begun ends while new work is refused, and is taken again as soon as there is room', () => {
  const disk = new Disk();
  const { rig } = disk;
  const agent = rig.client(rig.operator, { agent: { name: 'a', capabilities: ['work'] } });
  const { task } = rig.result(agent, 'task.create', { type: 'work' }) as unknown as {
    readonly task: { readonly id: string };
  };
  const [held] = rig.node.servings.flatMap(({ tenant }) => [...tenant.engine.state.assignments.held()]);
  disk.free = { freeBytes: 0, freePercent: 0 };
  expect(isRefused(rig.ask(agent, 'task.create', { params: { type: 'work' } }))).toBe(true);
  expect(rig.hello(rig.operator, { agent: { name: 'b', capabilities: ['work'] } }).kind).toBe('welcome');
  rig.result(agent, 'task.complete', { id: task.id, token: String(must(held, 'an assignment').token), result: 1 });
  expect(rig.result(agent, 'task.get', { id: task.id })).toMatchObject({ task: { status: 'completed' } });
  disk.free = MUCH;
  rig.result(agent, 'task.create', { type: 'work' });
});
