/** What the HTTP port needs of the node: who shows a credential, what they may see, and the requests that put and read blobs. */
import type { Results } from '../protocol/wire/types.ts';
import { AttemptGuard, authorise } from './access/index.ts';
import { systemScheduler } from './base/system-scheduler.ts';
import type { AdminAccess, Authenticate, BlobService } from './http/index.ts';
import type { Node } from './node/node.ts';

const NOT_SERVED_NOW = {
  ok: false,
  rejection: { code: 'UNAVAILABLE', message: 'The tenant is not served now.', retryAfterMs: 1_000 },
} as const;

export function httpServices(node: Node): { readonly admin: AdminAccess; readonly blobs: BlobService } {
  const guard = new AttemptGuard(() => systemScheduler.mono());
  const authenticate: Authenticate = (token, remote) => node.authenticate(token) ?? guard.failed(remote);
  return {
    admin: { authenticate, authorise: (principal, method) => authorise(principal, method, {}) },
    blobs: blobService(node, authenticate),
  };
}

function blobService(node: Node, authenticate: Authenticate): BlobService {
  return {
    authenticate,
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
