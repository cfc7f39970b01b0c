/** Api keys of a tenant; in the system tenant, the tenants. Only hashes of secrets are known here. */
import { LIMITS } from '../../../protocol/wire/limits.ts';
import type { ApiKeyView, Role, TenantView } from '../../../protocol/wire/types.ts';
import type { Params } from '../../../protocol/wire/types.ts';
import { accepted, rejected, type Context, type Decide } from '../kernel/context.ts';
import type { State } from '../kernel/state.ts';
import type { Prepared, Reply, SystemCommand } from '../port.ts';
import type { ApiKeyRecord, TenantRecord, Draft } from '../records.ts';

/** Tenants that every server has. */
export const BUILT_IN: readonly string[] = ['system', 'default'];

export function apiKeyView(key: ApiKeyRecord): ApiKeyView {
  const view: Draft<ApiKeyView> = { id: key.id, role: key.role, createdAt: key.createdAt, createdBy: key.createdBy };
  if (key.agent !== undefined) view.agent = key.agent;
  if (key.scopes !== undefined) view.scopes = key.scopes;
  if (key.expiresAt !== undefined) view.expiresAt = key.expiresAt;
  if (key.revokedAt !== undefined) view.revokedAt = key.revokedAt;
  return view;
}

export function tenantView(tenant: TenantRecord): TenantView {
  return { id: tenant.id, createdAt: tenant.createdAt };
}

export const createApiKey: Decide<Prepared['apiKey.create']> = (s, c, { session, params }) => {
  // It stands in the log of its own tenant, where the node installs it; here only the request is remembered.
  if (params.tenant !== undefined) return accepted({ id: params.keyId });
  if (s.apiKeys.size >= LIMITS.apiKeysMax) {
    return rejected('LIMIT_EXCEEDED', `The tenant has ${s.apiKeys.size} api keys, which is its limit.`);
  }
  if (s.apiKeys.get(params.keyId) !== undefined) return rejected('ALREADY_EXISTS');
  if (params.expiresAt !== undefined && params.expiresAt <= c.now) {
    return rejected('INVALID_PARAMS', 'expiresAt is over.', [{ path: 'expiresAt', reason: 'is over' }]);
  }
  const record: ApiKeyRecord = {
    id: params.keyId,
    secretHash: params.secretHash,
    role: params.role,
    agent: params.agent,
    scopes: params.scopes,
    createdAt: c.now,
    createdBy: session.principal.id,
    expiresAt: params.expiresAt,
    revokedAt: undefined,
  };
  c.events.push({ kind: 'apiKeyChanged', record });
  return accepted({ id: record.id });
};

export const revokeApiKey: Decide<Params['apiKey.revoke']> = (s, c, { params }) => {
  const key = s.apiKeys.get(params.id);
  if (key === undefined) return rejected('NOT_FOUND', 'No such api key.');
  if (key.revokedAt === undefined) {
    if (isLiveAdmin(key, c.now) && !hasAnotherAdmin(s, key, c.now)) {
      return rejected('INVALID_TRANSITION', 'It is the last key that administers this tenant: make another one first.');
    }
    c.events.push({ kind: 'apiKeyChanged', record: { ...key, revokedAt: c.now } });
    for (const open of s.sessionsByKey.of(key.id) ?? []) {
      c.events.push({ kind: 'followed', work: { kind: 'end', session: open.id, why: 'revoked' } });
    }
  }
  return accepted({ id: key.id });
};

/** May still do everything in its tenant. */
function isLiveAdmin(key: ApiKeyRecord, now: number): boolean {
  const live = key.revokedAt === undefined && (key.expiresAt === undefined || key.expiresAt > now);
  return live && key.role === 'admin' && key.scopes === undefined;
}

function hasAnotherAdmin(s: State, than: ApiKeyRecord, now: number): boolean {
  for (const key of s.apiKeysById) if (key.id !== than.id && isLiveAdmin(key, now)) return true;
  return false;
}

/** The node installs a key that it drew: the first one of a data directory or of a tenant. Again changes nothing. */
export function installKey(
  s: State,
  c: Context,
  key: { readonly id: string; readonly secretHash: string; readonly role: Role },
): Reply {
  if (s.apiKeys.get(key.id) !== undefined) return accepted({ id: key.id });
  const record: ApiKeyRecord = {
    id: key.id,
    secretHash: key.secretHash,
    role: key.role,
    agent: undefined,
    scopes: undefined,
    createdAt: c.now,
    createdBy: 'server',
    expiresAt: undefined,
    revokedAt: undefined,
  };
  c.events.push({ kind: 'apiKeyChanged', record });
  return accepted({ id: key.id });
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
