/** What the HTTP port needs to put and read blobs: the requests of the node, for who shows a credential. */
import type { Results } from '../protocol/wire/types.ts';
import { AttemptGuard } from './access/index.ts';
import { systemScheduler } from './base/system-scheduler.ts';
import type { BlobService } from './http/index.ts';
import type { Node } from './node/node.ts';

const NOT_SERVED_NOW = {
  ok: false,
  rejection: { code: 'UNAVAILABLE', message: 'The tenant is not served now.', retryAfterMs: 1_000 },
} as const;

export function blobService(node: Node): BlobService {
  const guard = new AttemptGuard(() => systemScheduler.mono());
  return {
    authenticate: (token, remote) => node.authenticate(token) ?? guard.failed(remote),
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
  };
}
