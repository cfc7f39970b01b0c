/** What a key with scopes may say in HELLO: the same as by requests. */
import { expect, test } from 'vitest';
import { CLOSE } from '../../protocol/wire/codes.ts';
import { Op, type HelloBody } from '../../protocol/wire/types.ts';
import { ADMIN, hello, MEMBER, rig, WORKER } from '../support/session-rig.ts';

const AGENT = { name: 'w', capabilities: ['c'] };
const RESUME = { session: 'ses_1', secret: 'ab', rev: 7 };

const cases: readonly {
  readonly key: typeof MEMBER;
  readonly scopes: readonly string[];
  readonly says: Partial<HelloBody>;
  readonly lacks: 'agent.register' | 'topic.subscribe' | undefined;
}[] = [
  { key: MEMBER, scopes: [], says: {}, lacks: undefined },
  { key: MEMBER, scopes: ['work'], says: { subs: [] }, lacks: undefined },
  { key: MEMBER, scopes: ['work'], says: { subs: ['news'] }, lacks: 'topic.subscribe' },
  { key: MEMBER, scopes: ['topic.subscribe'], says: { subs: ['news'] }, lacks: undefined },
  { key: MEMBER, scopes: ['session'], says: { subs: ['news'] }, lacks: undefined },
  { key: MEMBER, scopes: ['work'], says: { subs: ['news'], resume: RESUME }, lacks: 'topic.subscribe' },
  { key: MEMBER, scopes: ['work'], says: { resume: RESUME }, lacks: undefined },
  { key: WORKER, scopes: ['hold'], says: { agent: AGENT }, lacks: 'agent.register' },
  { key: ADMIN, scopes: ['hold', 'topic.subscribe'], says: { agent: AGENT }, lacks: 'agent.register' },
  { key: WORKER, scopes: ['hold', 'agent.register'], says: { agent: AGENT }, lacks: undefined },
  { key: WORKER, scopes: ['hold', 'session'], says: { agent: AGENT, subs: ['news'] }, lacks: undefined },
  { key: WORKER, scopes: ['agent.register'], says: { agent: AGENT, subs: ['news'] }, lacks: 'topic.subscribe' },
  { key: WORKER, scopes: ['hold'], says: { agent: AGENT, resume: RESUME }, lacks: 'agent.register' },
];

test.each(cases)('$key.role with scopes $scopes says $says', ({ key, scopes, says, lacks }) => {
  const { connection, handler, node, scheduler } = rig();
  node.tokens.set('scoped', { ...key, scopes });
  handler.message(hello('scoped', says));
  scheduler.settle();
  expect(node.hellos.length).toBe(lacks === undefined ? 1 : 0);
  if (lacks === undefined) return;
  const error = connection.frames().find((one) => one.op === Op.ERROR);
  expect(error?.body).toMatchObject({
    code: 'UNAUTHORIZED',
    message: `The scopes of the credential do not include ${lacks}.`,
  });
  expect(connection.closes.map(({ code }) => code)).toEqual([CLOSE.FORBIDDEN.code]);
});
