/** Large requests take turns beside others, and wait for nobody when nobody else asks. */
import { beforeEach, expect, test } from 'vitest';
import { valueHash } from '../../protocol/wire/codec.ts';
import { Turns } from '../../src/node/turns.ts';
import { LIMITS } from '../../protocol/wire/limits.ts';
import { FakeScheduler } from '../support/fake-scheduler.ts';
import { NodeRig } from '../support/node-rig.ts';

let scheduler: FakeScheduler;
let turns: Turns;
let gone: string[];

beforeEach(() => {
  scheduler = new FakeScheduler();
  turns = new Turns(scheduler);
  gone = [];
});

function large(session: string): void {
  turns.asked(session);
  turns.large(session, () => gone.push(session));
}

test('who is alone waits for nothing', () => {
  for (let n = 0; n < 3; n += 1) {
    large('a');
    turns.done(5);
  }
  expect(gone).toEqual(['a', 'a', 'a']);
});

test('while another asks, the next one waits for three times what the last one took', () => {
  turns.asked('b');
  large('a');
  turns.done(4);
  large('a');
  scheduler.advance(11);
  expect(gone).toEqual(['a']);
  scheduler.advance(1);
  expect(gone).toEqual(['a', 'a']);
});

test('but never for more than 20 ms', () => {
  turns.asked('b');
  large('a');
  turns.done(1_000);
  large('a');
  scheduler.advance(20);
  expect(gone).toEqual(['a', 'a']);
});

test('whose other has not asked for 50 ms is alone', () => {
  turns.asked('b');
  scheduler.advance(51);
  large('a');
  turns.done(4);
  large('a');
  expect(gone).toEqual(['a', 'a']);
});

test('those of several sessions go in the order in which they came, one at a time', () => {
  large('a');
  large('b');
  large('c');
  expect(gone).toEqual(['a']);
  turns.done(1);
  scheduler.advance(3);
  expect(gone).toEqual(['a', 'b']);
  scheduler.advance(100);
  expect(gone).toEqual(['a', 'b']);
  turns.done(1);
  scheduler.advance(3);
  expect(gone).toEqual(['a', 'b', 'c']);
});

test('nothing is left behind when the node stops', () => {
  large('a');
  large('b');
  turns.stop();
  expect(gone).toEqual(['a', 'b']);
  turns.done(1);
  scheduler.advance(100);
  expect(gone).toEqual(['a', 'b']);
});

test('what a session asks behind its batch stays behind it', () => {
  const rig = new NodeRig().start();
  const [boss, other] = [rig.client(rig.operator), rig.client(rig.operator)];
  const answers: string[] = [];
  const ask = (client: typeof boss, name: string, method: 'task.createBatch' | 'task.create'): void => {
    const task = { type: 'nobody', watch: false };
    const tasks = Array.from({ length: LIMITS.batchAtOnceMax + 1 }, () => task);
    const params = method === 'task.create' ? task : { tasks };
    const hash = valueHash(params);
    client.attached.request({ id: client.id, method, params, hash }, (reply) => answers.push(`${name} ${reply.ok}`));
  };
  ask(other, 'other', 'task.createBatch');
  ask(boss, 'batch', 'task.createBatch');
  ask(boss, 'behind', 'task.create');
  ask(other, 'small', 'task.create');
  rig.scheduler.advance(30);
  expect(answers).toEqual(['other true', 'small true', 'batch true', 'behind true']);
});
