/** In the system tenant: the tenants. Of their first keys only hashes of secrets are known here. */
import { LIMITS } from '../../../protocol/wire/limits.ts';
import type { TenantView } from '../../../protocol/wire/types.ts';
import { accepted, rejected, type Context } from '../kernel/context.ts';
import type { State } from '../kernel/state.ts';
import type { Reply, SystemCommand } from '../port.ts';
import type { TenantRecord } from '../records.ts';

/** Tenants that every server has. */
export const BUILT_IN: readonly string[] = ['system', 'default'];

export function tenantView(tenant: TenantRecord): TenantView {
  return { id: tenant.id, createdAt: tenant.createdAt };
}

export function createTenant(s: State, c: Context, command: Extract<SystemCommand, { kind: 'tenant.create' }>): Reply {
  const known = s.tenants.get(command.id);
  if (known?.dedupe === command.dedupe) return accepted({ tenant: tenantView(known) });
  for (const other of s.tenantsById) {
    const remembered = other.dedupe === command.dedupe && c.now - other.createdAt < LIMITS.idempotencyMs;
    if (remembered) return rejected('IDEMPOTENCY_MISMATCH', `This request was used for the tenant ${other.id}.`);
  }
  if (known !== undefined || BUILT_IN.includes(command.id))
    return rejected('ALREADY_EXISTS', 'A tenant of this id exists.');
  if (s.tenants.size >= LIMITS.tenantsMax) {
    return rejected('LIMIT_EXCEEDED', `The server has ${s.tenants.size} tenants, which is its limit.`);
  }
  const record: TenantRecord = {
    id: command.id,
    createdAt: c.now,
    createdBy: command.by,
    dedupe: command.dedupe,
    keyId: command.keyId,
    secretHash: command.secretHash,
  };
  c.events.push({ kind: 'tenantCreated', record });
  return accepted({ tenant: tenantView(record) });
}
