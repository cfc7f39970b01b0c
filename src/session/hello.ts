/**
 * HELLO: from the first frame to "this principal wants this session", or the reason why not.
 *
 * Owns: version negotiation, the credential, the right to appear as an agent and to listen. Does not own: opening or resuming
 * the session (node), the state of the connection (session.ts).
 */
import { authoriseHello } from '../access/index.ts';
import { err, ok, type Result } from '../base/result.ts';
import type { CloseName, Rejection } from '../../protocol/wire/codes.ts';
import { parseHello, rejectionOf } from '../../protocol/schema/params.ts';
import { LIMITS } from '../../protocol/wire/limits.ts';
import type { HelloBody, ValueMap, WelcomeBody } from '../../protocol/wire/types.ts';
import type { HelloOutcome, NodePort, Principal } from '../node/port.ts';
import type { SessionGuard } from './observer.ts';

export const MAJOR = 1;
/** The newest minor version that this server speaks; it speaks all before it. */
export const MINOR = 0;

export interface Refusal {
  readonly close: CloseName;
  readonly rejection: Rejection;
  /** The answer is held back for so long. */
  readonly delayMs?: number;
}

export interface Greeting {
  readonly body: HelloBody;
  readonly principal: Principal;
  readonly minor: number;
}

export interface HelloContext {
  readonly node: NodePort;
  readonly guard: SessionGuard;
  /** Address of the peer. */
  readonly remote: string;
}

export function checkHello(body: ValueMap, context: HelloContext): Result<Greeting, Refusal> {
  const minor = negotiate(body['v']);
  if (minor === undefined) {
    const details = { supported: [MAJOR, 0, MINOR] };
    return err({
      close: 'VERSION',
      rejection: { code: 'INVALID_PARAMS', message: 'No common protocol version.', details },
    });
  }
  const parsed = parseHello(body);
  if (!parsed.ok) {
    return err({ close: 'PROTOCOL_ERROR', rejection: rejectionOf(parsed.error) });
  }
  const hello = parsed.value;
  if (!context.node.ready()) {
    return err({ close: 'UNAVAILABLE', rejection: { code: 'UNAVAILABLE', retryAfterMs: RETRY_MS } });
  }
  const principal = context.node.authenticate(hello.auth.token);
  if (principal === 'unavailable') return err({ close: 'UNAVAILABLE', rejection: NOT_SERVED });
  if (principal === undefined) {
    const delayMs = context.guard.failed(context.remote);
    return err({ close: 'BAD_AUTH', rejection: { code: 'UNAUTHENTICATED' }, delayMs });
  }
  const rejection = authoriseHello(principal, hello);
  if (rejection !== undefined) return err({ close: 'FORBIDDEN', rejection });
  return ok({ body: hello, principal, minor });
}

export interface WelcomeParts {
  readonly outcome: HelloOutcome & { readonly kind: 'welcome' };
  readonly principal: Principal;
  readonly minor: number;
  /** Wall ms. */
  readonly now: number;
  readonly node: NodePort;
}

export function welcomeBody(parts: WelcomeParts): WelcomeBody {
  const { outcome, principal, minor, now, node } = parts;
  const { session, secret, rev, resumed, reason, kept, snapshot, agentId } = outcome;
  return {
    v: [MAJOR, minor],
    session,
    secret,
    rev,
    resumed,
    ...(reason === undefined ? {} : { reason }),
    ...(kept === undefined ? {} : { kept }),
    ...(snapshot === undefined ? {} : { snapshot }),
    ...(agentId === undefined ? {} : { agent: { id: agentId } }),
    principal: { id: principal.id, tenant: principal.tenant, role: principal.role },
    now,
    ping: { intervalMs: LIMITS.pingIntervalMs, timeoutMs: LIMITS.pingTimeoutMs },
    limits: {
      frameBytes: LIMITS.frameBytes,
      messageBytes: LIMITS.messageBytes,
      framesPerMessage: LIMITS.framesPerMessage,
      inFlight: LIMITS.inFlight,
      remembered: LIMITS.remembered,
      subs: LIMITS.subsMax,
      resumeWindowMs: LIMITS.resumeWindowMs,
      leaseMs: LIMITS.leaseMs,
    },
    features: [],
    server: { version: node.version, node: node.nodeId },
  };
}

const RETRY_MS = 1_000;
/** Whether the credential is valid cannot be said while its tenant is not served. */
export const NOT_SERVED: Rejection = {
  code: 'UNAVAILABLE',
  message: 'The tenant is not served now.',
  retryAfterMs: RETRY_MS,
};

/** The minor version to speak; looked at before the rest of HELLO, whose shape another major version may change. */
function negotiate(v: ValueMap[string] | undefined): number | undefined {
  if (!Array.isArray(v)) return MINOR;
  const [major, minorMin, minorMax] = v;
  if (typeof major !== 'number' || typeof minorMin !== 'number' || typeof minorMax !== 'number') return MINOR;
  if (major !== MAJOR || minorMin > MINOR || minorMax < minorMin) return undefined;
  return Math.min(MINOR, minorMax);
}
