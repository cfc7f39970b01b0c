/** A request for a lock that has to wait goes to the log with something else, or after a while. */
import { describe, expect, test } from 'vitest';
import { valueHash } from '../../protocol/wire/codec.ts';
import type { Method, Value } from '../../protocol/wire/types.ts';
import { must } from '../../src/base/assert.ts';
import type { Reply } from '../../src/node/port.ts';
import { NodeRig, type Client } from '../support/node-rig.ts';

const WAIT = { path: 'deploy', waitMs: 60_000 };

class Play {
  readonly rig = new NodeRig().start();
  readonly told: string[] = [];
  readonly #replies = new Map<string, Reply>();

  client(): Client {
    return this.rig.client(this.rig.operator);
  }

  /** Entries of the tenant so far. */
  get entries(): number {
    return must(this.rig.node.serving('default'), 'a tenant').tenant.engine.state.counters.seq;
  }

  /** Asks, and lets nothing happen yet. */
  ask(name: string, client: Client, asked: { readonly method: Method; readonly params: Value }): void {
    const hash = valueHash([asked.method, asked.params]);
    client.attached.request({ id: client.id, ...asked, hash }, (reply) => {
      this.told.push(name);
      this.#replies.set(name, reply);
    });
  }

  acquire(name: string, client: Client, params: Value = WAIT): void {
    this.ask(name, client, { method: 'lock.acquire', params });
  }

  release(name: string, client: Client, acquired: string): void {
    const { lock } = this.result(acquired);
    const { id, token } = must(lock, 'a lock');
    this.ask(name, client, { method: 'lock.release', params: { id, token } });
  }

  result(name: string): {
    readonly granted?: boolean;
    readonly lock?: { readonly id: string; readonly token: string };
  } {
    const reply = must(this.#replies.get(name), `${name} was answered`);
    if (!reply.ok) throw new Error(`${name}: ${reply.rejection.code}`);
    return reply.result as { readonly granted: boolean };
  }
}

function held(): { play: Play; holder: Client; other: Client; third: Client } {
  const play = new Play();
  const [holder, other, third] = [play.client(), play.client(), play.client()];
  play.acquire('first', holder);
  play.rig.scheduler.settle();
  expect(play.result('first').granted).toBe(true);
  return { play, holder, other, third };
}

describe('a request for a lock that is held', () => {
  test('shares the entry of the release that comes meanwhile, in its order', () => {
    const { play, holder, other, third } = held();
    const before = play.entries;
    play.acquire('second', other);
    play.rig.scheduler.settle();
    expect(play.told).toEqual(['first']);
    play.acquire('third', third);
    play.release('release', holder, 'first');
    play.rig.scheduler.settle();
    expect(play.entries).toBe(before + 1);
    expect(play.told).toEqual(['first', 'second', 'third', 'release']);
    expect(play.result('second').granted).toBe(false);
    // The grant.
    expect([other, third].map(({ pushes }) => pushes.length)).toEqual([1, 0]);
  });

  test('is appended alone after 2 ms', () => {
    const { play, other } = held();
    play.acquire('second', other);
    play.rig.scheduler.advance(1);
    expect(play.told).toEqual(['first']);
    play.rig.scheduler.advance(1);
    expect(play.result('second').granted).toBe(false);
  });

  test('and whatever the same session asks then stay in order', () => {
    const { play, other } = held();
    play.acquire('second', other);
    play.ask('later', other, { method: 'task.create', params: { type: 'build' } });
    play.rig.scheduler.settle();
    expect(play.told).toEqual(['first', 'second', 'later']);
  });

  test('is in a hurry as soon as the lock is free', () => {
    const { play, holder, other } = held();
    play.release('release', holder, 'first');
    // The release is on its way to the log, the state does not know of it yet.
    play.rig.scheduler.turn();
    play.acquire('second', other);
    play.rig.scheduler.settle();
    expect(play.told).toEqual(['first', 'release', 'second']);
    expect(play.result('second').granted).toBe(true);
  });

  test('does not wait if it is not to wait, or can be had, or is asked by who has it', () => {
    const { play, holder, other } = held();
    play.acquire('busy', other, { path: 'deploy' });
    play.rig.scheduler.settle();
    expect(() => play.result('busy')).toThrow('BUSY');
    play.acquire('again', holder);
    play.acquire('free', other, { path: 'elsewhere', waitMs: 1_000 });
    play.rig.scheduler.settle();
    expect([play.result('again').granted, play.result('free').granted]).toEqual([true, true]);
  });

  test('goes before the loss of its connection', () => {
    const { play, other } = held();
    play.acquire('second', other);
    other.attached.detach();
    play.rig.scheduler.settle();
    expect(play.result('second').granted).toBe(false);
  });

  test('is an append of its own with 64 others', () => {
    const { play } = held();
    const clients = Array.from({ length: 65 }, () => play.client());
    const before = play.entries;
    clients.slice(0, 64).forEach((client, at) => play.acquire(`w${at}`, client));
    play.rig.scheduler.settle();
    expect(play.entries).toBe(before);
    play.acquire('w64', must(clients[64], 'one more'));
    play.rig.scheduler.settle();
    expect(play.entries).toBe(before + 2);
    expect(play.told).toHaveLength(66);
  });

  test('holds up no stop', () => {
    const { play, other } = held();
    play.acquire('second', other);
    let stopped = false;
    play.rig.node.stop(() => {
      stopped = true;
    });
    play.rig.scheduler.advance(2);
    expect(stopped).toBe(true);
    expect(play.result('second').granted).toBe(false);
  });
});
