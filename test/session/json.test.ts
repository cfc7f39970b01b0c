/** A session whose connection speaks `muster.v1.json`. */
import { expect, it } from 'vitest';
import { CLOSE } from '../../protocol/wire/codes.ts';
import { LIMITS } from '../../protocol/wire/limits.ts';
import { must } from '../../src/base/assert.ts';
import { createSessionManager } from '../../src/session/manager.ts';
import { FakeScheduler } from '../support/fake-scheduler.ts';
import { FakeConnection, FakeNode, pushOf } from '../support/session-rig.ts';

class TextConnection extends FakeConnection {
  readonly text = true;

  /** Lines written since the last call. */
  lines(): unknown[] {
    return this.written.splice(0).flatMap((message) =>
      Buffer.from(message)
        .toString()
        .split('\n')
        .map((line): unknown => JSON.parse(line)),
    );
  }
}

function open() {
  const scheduler = new FakeScheduler();
  const node = new FakeNode();
  const manager = createSessionManager({ node, scheduler });
  const connection = new TextConnection();
  const handler = manager.accept(connection);
  const say = (text: string): void => {
    handler.message(Buffer.from(text));
    scheduler.settle();
  };
  return { scheduler, node, manager, connection, say };
}

const HELLO = '[1,0,{"v":[1,0,0],"client":{"name":"t","version":"1"},"auth":{"token":"member"}}]';

function online() {
  const made = open();
  made.say(HELLO);
  const attached = made.node.welcome();
  made.scheduler.settle();
  expect(made.connection.lines()).toMatchObject([[3, 0, { resumed: false }]]);
  return { ...made, attached };
}

it('reads requests and writes answers and pushes as lines', () => {
  const { say, attached, connection, scheduler } = online();
  say('[5,1,{"m":"agent.list","p":{}}]\n[5,2,{"m":"task.create","p":{"type":"a","parameters":{"$bin":"AP8="}},"x":1}]');
  expect(attached.requests.map(({ request }) => [request.id, request.method])).toEqual([
    [1, 'agent.list'],
    [2, 'task.create'],
  ]);
  expect(attached.requests[1]?.request.params).toMatchObject({ parameters: Uint8Array.of(0, 255) });
  attached.reply({ ok: true, rev: 7, result: { bytes: Uint8Array.of(1), like: { $bin: 'x' } } });
  attached.reply({ ok: false, rejection: { code: 'NOT_FOUND' } });
  attached.delivery.push(pushOf({ class: 'reliable', rev: 101, d: 'é\n' }));
  scheduler.settle();
  expect(connection.written).toHaveLength(1);
  expect(connection.lines()).toMatchObject([
    [7, 1, { rev: 7, r: { bytes: { $bin: 'AQ==' }, like: { $$bin: 'x' } } }],
    [9, 2, { code: 'NOT_FOUND' }],
    [11, 0, { rev: 101, e: 'test', d: 'é\n' }],
  ]);
});

it('remembers a request by what it says, however it was written', () => {
  const { say, attached } = online();
  say('[5,1,{"m":"task.create","p":{"type":"a"}}]');
  say(' [ 5 , 1.0 , { "m" : "task.create" , "p" : { "type" : "\\u0061" } } ]');
  const hashes = attached.requests.map(({ request }) => request.hash);
  expect(new Set(hashes).size).toBe(1);
});

it('says where a faulty text is at fault, and closes', () => {
  const { say, connection, attached } = online();
  say('[5,1,{"m":"agent.list","p":{}}]\n[5,2,{"m":"x","m":"y"}]');
  expect(connection.lines()).toMatchObject([
    [9, 0, { code: 'INVALID_FRAME', details: { reason: 'key_duplicate', offset: 46 } }],
    [13, 0, { reason: 'protocol_error' }],
  ]);
  expect(connection.closes).toMatchObject([{ code: CLOSE.PROTOCOL_ERROR.code }]);
  expect(attached.requests).toEqual([]);
});

it('takes a text that nests without end for a faulty one', () => {
  const { say, connection } = online();
  say(`[5,1,{"p":${'{"$bin":'.repeat(4_000)}`);
  expect(connection.lines()).toMatchObject([
    [9, 0, { code: 'INVALID_FRAME', details: { reason: 'too_deep' } }],
    [13, 0, { reason: 'protocol_error' }],
  ]);
  expect(connection.closes).toMatchObject([{ code: CLOSE.PROTOCOL_ERROR.code }]);
});

it('takes no HELLO above 16 KiB of text', () => {
  const { say, connection } = open();
  say(HELLO.padEnd(LIMITS.helloBytes + 1));
  expect(connection.lines()).toMatchObject([
    [9, 0, { details: { reason: 'message_too_large', offset: LIMITS.helloBytes } }],
    [13, 0, {}],
  ]);
});

it('counts what it writes in bytes of text', () => {
  const { connection, attached, scheduler, manager } = online();
  connection.reading = false;
  attached.delivery.push(pushOf({ class: 'reliable', rev: 101, d: '\u0001'.repeat(20_000) }));
  scheduler.settle();
  expect(connection.held).toBeGreaterThan(120_000);
  expect(connection.held).toBe(must(connection.written[0], 'a message').length);
  attached.delivery.push(pushOf({ class: 'reliable', rev: 102, d: 'x' }));
  scheduler.settle();
  const waits = connection.held >= LIMITS.socketBytes;
  expect(manager.list()[0]?.queuedBytes === 0).toBe(!waits);
});
