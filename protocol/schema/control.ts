/** The schemas of the methods that control running tasks, and hand out what they have so far. */
import { z } from 'zod';
import { CONTROLS, pieceBytes, type ControlMethod, type ControlParams } from '../wire/control.ts';
import { LIMITS } from '../wire/limits.ts';
import { PRIORITIES, type Value } from '../wire/types.ts';
import { distinct, fence, id, int, limit, name, payload, position, REASON, text } from './fields.ts';
import { fits } from './size.ts';

const held = { id, token: fence };
const durationMs = int(LIMITS.timeoutMsMin, LIMITS.delayMsMax);
const reason = text(LIMITS.reasonBytes).exactOptional();
const acknowledgeMs = durationMs.exactOptional();
const changeMs = durationMs.nullable().exactOptional();

function value(max: number): z.ZodType<Value> {
  return z
    .custom<Value>((one) => one !== undefined)
    .refine((one) => fits(one, max), { error: REASON.payload(max), params: { code: 'TOO_LARGE' } });
}

const piece = z
  .custom<string | Uint8Array>((one) => typeof one === 'string' || one instanceof Uint8Array, {
    error: 'must be a text or a binary value',
  })
  .refine((one) => one.length > 0, { error: 'must not be empty' })
  .refine((one) => pieceBytes(one) <= LIMITS.payloadBytes, {
    error: REASON.payload(LIMITS.payloadBytes),
    params: { code: 'TOO_LARGE' },
  });

const acknowledge = z
  .object({ ...held, control: z.enum(CONTROLS), seq: int(1, Number.MAX_SAFE_INTEGER).exactOptional() })
  .refine(({ control, seq }) => (control === 'cancel' || control === 'leaseLost') === (seq === undefined), {
    error: 'goes with every control but cancel and leaseLost',
    path: ['seq'],
  });

const extend = z
  .object({
    id,
    token: fence.exactOptional(),
    deadlineMs: changeMs,
    timeoutMs: changeMs,
    progressTimeoutMs: changeMs,
    acknowledgeMs,
  })
  .refine((one) => [one.deadlineMs, one.timeoutMs, one.progressTimeoutMs].some((ms) => ms !== undefined), {
    error: 'must name a deadlineMs, timeoutMs or progressTimeoutMs',
  });

export const CONTROL_SCHEMAS: { readonly [M in ControlMethod]: z.ZodType<ControlParams[M]> } = {
  'task.pause': z.object({ id, reason, acknowledgeMs }),
  'task.resume': z.object({ id, reason, acknowledgeMs }),
  'task.steer': z.object({ id, message: value(LIMITS.steerBytes), acknowledgeMs }),
  'task.reprioritise': z.object({ id, priority: z.enum(PRIORITIES), acknowledgeMs }),
  'task.extend': extend,
  'task.acknowledge': acknowledge,
  'task.checkpoint': z.object({ ...held, data: payload }),
  'task.output': z.object({ ...held, offset: position, data: piece }),
  'task.readOutput': z.object({ id, offset: position.exactOptional(), limit: limit.exactOptional() }),
  'task.ask': z.object({
    ...held,
    question: text(LIMITS.questionBytes).refine((one) => one.length > 0, { error: 'must not be empty' }),
    choices: distinct(name(LIMITS.choiceBytes), LIMITS.choicesMax, (one) => one).exactOptional(),
    expiresMs: durationMs.exactOptional(),
  }),
  'task.answer': z.object({ id, askId: id, answer: value(LIMITS.answerBytesMax), acknowledgeMs }),
};
