/** What a session is told of what it holds, with everything at its bound. */
import { expect, it } from 'vitest';
import { encodeValue } from '../../protocol/wire/codec.ts';
import { LIMITS } from '../../protocol/wire/limits.ts';
import type { SessionSnapshot } from '../../protocol/wire/types.ts';
import { sessionSnapshot } from '../../src/engine/sessions/snapshot.ts';
import { Rig, codeOf } from './rig.ts';

/** Room for the rest of a WELCOME, or of a RESULT. */
const BESIDE = 4_096;

const text = (bytes: number, i = 0): string => `${i}`.padEnd(bytes, 'x');
const list = (count: number, bytes: number): string[] => Array.from({ length: count }, (_, i) => text(bytes, i));
/** A text whose encoding has so many bytes. */
const valueOf = (bytes: number): string => 'x'.repeat(bytes - 5);

/** A task in whose view nothing has any room left. */
function largest(rig: Rig, client: string, agent: { readonly session: string }): string {
  const requirements = list(LIMITS.requirementsMax, LIMITS.typeBytes);
  const { id } = rig.create(client, {
    type: text(LIMITS.typeBytes),
    parameters: valueOf(LIMITS.payloadBytes),
    requirements,
    labels: Object.fromEntries(
      list(LIMITS.labelsMax, LIMITS.labelBytes).map((name) => [
        name.slice(0, LIMITS.keyBytes),
        text(LIMITS.labelBytes),
      ]),
    ),
    selectors: list(LIMITS.selectorsMax, LIMITS.selectorBytes - 10).map((value) => `zone!=${value}`),
    concurrency: { key: text(LIMITS.workKeyBytes), max: 10 },
    sticky: { key: text(LIMITS.workKeyBytes) },
    retry: { maxAttempts: 20, initialDelayMs: 1, maxDelayMs: 1, factor: 1 },
  });
  const token = (): string => rig.task(id).token;
  for (let attempt = 1; attempt <= LIMITS.errorsKept; attempt += 1) {
    const error = { code: text(LIMITS.nameBytes), message: text(LIMITS.errorMessageBytes) };
    expect(codeOf(rig.ask(agent.session, 'task.fail', { id, token: token(), error, retryable: true }).reply)).toBe(
      'ok',
    );
    rig.wait(10);
  }
  expect(codeOf(rig.ask(agent.session, 'task.start', { id, token: token() }).reply)).toBe('ok');
  const held = { id, token: token() };
  rig.ask(agent.session, 'task.progress', { ...held, percentComplete: 99.9, status: text(LIMITS.reasonBytes) });
  expect(codeOf(rig.ask(agent.session, 'task.checkpoint', { ...held, data: valueOf(LIMITS.payloadBytes) }).reply)).toBe(
    'ok',
  );
  for (let i = 0; i < LIMITS.asksMax; i += 1) {
    // Answered ones are larger than open ones with their choices.
    expect(codeOf(rig.ask(agent.session, 'task.ask', { ...held, question: text(LIMITS.questionBytes, i) }).reply)).toBe(
      'ok',
    );
    const askId = rig.engine.state.tasks.get(id)?.control?.asks?.at(-1)?.askId;
    const answer = valueOf(LIMITS.answerBytesMax);
    expect(codeOf(rig.ask(client, 'task.answer', { id, askId, answer }).reply)).toBe('ok');
  }
  for (let i = 0; i < 64; i += 1) rig.ask(client, 'task.steer', { id, message: valueOf(500) });
  rig.ask(client, 'task.extend', { id, timeoutMs: 1_000_000, acknowledgeMs: 1_000 });
  rig.ask(client, 'task.pause', { id, reason: text(LIMITS.reasonBytes) });
  return id;
}

function pages(rig: Rig, session: string): SessionSnapshot[] {
  const all: SessionSnapshot[] = [];
  for (let cursor: string | undefined; all.length === 0 || cursor !== undefined; cursor = all.at(-1)?.more)
    all.push(sessionSnapshot(rig.engine.state, cursor === undefined ? { session } : { session, cursor }).snapshot);
  return all;
}

it('fits into a frame, page by page, and leaves nothing out', () => {
  const rig = new Rig();
  const client = rig.session();
  const capabilities = list(LIMITS.requirementsMax, LIMITS.typeBytes);
  const agent = rig.agent('w', { capabilities, capacity: 10 });
  const ids = [largest(rig, client, agent), largest(rig, client, agent), largest(rig, client, agent)];
  const topics = Array.from({ length: LIMITS.subsMax }, (_, i) => `${'t'.repeat(LIMITS.topicBytes - 4)}.${100 + i}`);
  for (const topic of topics) expect(codeOf(rig.ask(agent.session, 'topic.subscribe', { topic }).reply)).toBe('ok');
  const found = pages(rig, agent.session);
  const sizes = found.map((page) => encodeValue(page).length);
  for (const size of sizes) expect(size).toBeLessThanOrEqual(LIMITS.frameBytes - BESIDE);
  expect(found.flatMap((page) => page.tasks.map(({ task }) => task.id)).toSorted()).toEqual(ids.toSorted());
  expect(found.flatMap((page) => page.subs).toSorted()).toEqual(topics.toSorted());
});
