/** What the HTTP port needs of the node: who shows a credential, what they may see and how often, and the requests that put and read blobs. */
import type { Rejection } from '../protocol/wire/codes.ts';
import { OPERATIONS } from '../protocol/wire/operations.ts';
import type { Method, Results } from '../protocol/wire/types.ts';
import { AttemptGuard, authorise, tooOften, type Rates } from './access/index.ts';
import { systemScheduler } from './base/system-scheduler.ts';
import type { AdminAccess, Authenticate, BlobService } from './http/index.ts';
import type { Node } from './node/node.ts';
import type { Principal } from './node/port.ts';
import type { EdgeMetrics } from './telemetry/port.ts';

const NOT_SERVED_NOW = {
  ok: false,
  rejection: { code: 'UNAVAILABLE', message: 'The tenant is not served now.', retryAfterMs: 1_000 },
} as const;

interface ServicesParts {
  readonly node: Node;
  /** The same as those of the sessions: whoever asks both ways has one rate. */
  readonly rates: Rates;
  readonly metrics: Pick<EdgeMetrics, 'rateLimited'>;
}

type Admit = (principal: Principal, method: Method) => Rejection | undefined;

export function httpServices(parts: ServicesParts): { readonly admin: AdminAccess; readonly blobs: BlobService } {
  const { node, rates, metrics } = parts;
  const guard = new AttemptGuard(() => systemScheduler.mono());
  const authenticate: Authenticate = (token, remote) => node.authenticate(token) ?? guard.failed(remote);
  const admit: Admit = (principal, method) => {
    const retryAfterMs = rates.ofPrincipal(principal).ask(method);
    if (retryAfterMs === 0) return undefined;
    metrics.rateLimited(OPERATIONS[method].class);
    return tooOften(retryAfterMs);
  };
  return {
    admin: {
      authenticate,
      authorise: (principal, method) => admit(principal, method) ?? authorise(principal, method, {}),
    },
    blobs: {
      authenticate,
      admit,
      received: (principal, bytes) => rates.ofPrincipal(principal).received(bytes),
      ...blobRequests(node),
    },
  };
}

function blobRequests(node: Node): Pick<BlobService, 'put' | 'read' | 'sent'> {
  return {
    put: (principal, params, done) => {
      const of = node.serving(principal.tenant)?.requests.blobs(principal);
      if (of === undefined) return done(NOT_SERVED_NOW);
      of.put(params, (reply) => done(reply.ok ? { ok: true, result: reply.result as Results['blob.put'] } : reply));
    },
    read: (principal, params, done) => {
      const of = node.serving(principal.tenant)?.requests.blobs(principal);
      if (of === undefined) return done(NOT_SERVED_NOW);
      of.read(params, (found) => done(found.ok ? { ok: true, result: found.params } : found));
    },
    sent: (principal, bytes) => node.serving(principal.tenant)?.requests.blobs(principal).sent(bytes),
  };
}
