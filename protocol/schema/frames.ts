/** Schemas of the bodies of frames that clients send. */
import { z } from 'zod';
import { LIMITS } from '../wire/limits.ts';
import type { HelloBody, ValueMap } from '../wire/types.ts';
import { distinct, id, int, isPlainMap, name, position, REASON, subscription } from './fields.ts';
import { agentShape } from './methods.ts';

const minor = int(0, 1_000_000);
const credential = name(LIMITS.credentialBytes);

export const hello: z.ZodType<HelloBody> = z.object({
  v: z.tuple([minor, minor, minor]),
  client: z.object({ name: name(LIMITS.nameBytes), version: name(LIMITS.nameBytes) }),
  auth: z.object({ token: credential }),
  agent: agentShape.exactOptional(),
  subs: distinct(subscription, LIMITS.subsHelloMax, (one) => one).exactOptional(),
  resume: z
    .object({ session: id, secret: name(LIMITS.idBytes), rev: position, told: position.exactOptional() })
    .exactOptional(),
  features: z.array(name(LIMITS.nameBytes)).max(LIMITS.featuresMax).exactOptional(),
});

export interface RequestBody {
  readonly m: string;
  readonly p?: ValueMap;
}

export const request: z.ZodType<RequestBody> = z.object({
  m: name(LIMITS.nameBytes),
  p: z.custom<ValueMap>(isPlainMap, { error: REASON.map }).exactOptional(),
});

/** PING and PONG. */
export const beat: z.ZodType<{ readonly now?: number; readonly rev?: number }> = z.object({
  now: position.exactOptional(),
  rev: position.exactOptional(),
});

export const reauth: z.ZodType<{ readonly token: string }> = z.object({ token: credential });

export const bye: z.ZodType<{ readonly requeue?: boolean }> = z.object({ requeue: z.boolean().exactOptional() });
