/**
 * Api keys of a tenant. Only hashes of secrets are known here.
 *
 * AK1 A key that has ended (it was revoked, or has expired) stays for `apiKeyKeptMs`: it is listed, and revoking it again is answered as the
 *     first time. Then it leaves.
 * AK2 When there are as many keys as there may be, the one that ended first leaves at once. One that has not ended never does.
 * AK3 A key that has left is as one that never was, and nothing makes it good again: who holds a session by it is refused, and the first key of
 *     the tenant, which the system tenant names at every start, is not installed anew.
 * AK4 Before `KEYS_LEAVE_VERSION` keys stay for ever; those that are there when the state goes over to it are kept from their end on, as all are.
 */
import { LIMITS } from '../../../protocol/wire/limits.ts';
import type { ApiKeyView } from '../../../protocol/wire/types.ts';
import type { Params } from '../../../protocol/wire/types.ts';
import { accepted, rejected, type Context, type Decide } from '../kernel/context.ts';
import type { State } from '../kernel/state.ts';
import { KEYS_LEAVE_VERSION, type Prepared, type Reply, type SessionPrincipal, type SystemCommand } from '../port.ts';
import { endOfKey, type ApiKeyRecord, type Draft } from '../records.ts';

export function apiKeyView(key: ApiKeyRecord): ApiKeyView {
  const view: Draft<ApiKeyView> = { id: key.id, role: key.role, createdAt: key.createdAt, createdBy: key.createdBy };
  if (key.agent !== undefined) view.agent = key.agent;
  if (key.scopes !== undefined) view.scopes = key.scopes;
  if (key.expiresAt !== undefined) view.expiresAt = key.expiresAt;
  if (key.revokedAt !== undefined) view.revokedAt = key.revokedAt;
  return view;
}

const keysLeave = (s: State): boolean => s.counters.engineVersion >= KEYS_LEAVE_VERSION;

/** AK3: whether the key that a session was opened with was revoked, or is not there any more. */
export function isRevoked(s: State, { keyId }: SessionPrincipal): boolean {
  if (keyId === undefined) return false;
  const key = s.apiKeys.get(keyId);
  return key === undefined ? keysLeave(s) : key.revokedAt !== undefined;
}

/** AK2: how many keys there would be beside one more. */
export function keysBeside(s: State, now: number): number {
  const { size } = s.apiKeys;
  return size >= LIMITS.apiKeysMax && firstEnded(s, now) !== undefined ? size - 1 : size;
}

function firstEnded(s: State, now: number): ApiKeyRecord | undefined {
  const first = keysLeave(s) ? s.apiKeysByEnd.first() : undefined;
  return first !== undefined && (endOfKey(first) ?? Infinity) <= now ? first : undefined;
}

/** AK2 */
function makeRoom(s: State, c: Context): void {
  const first = s.apiKeys.size >= LIMITS.apiKeysMax ? firstEnded(s, c.now) : undefined;
  if (first !== undefined) remove(s, c, first.id);
}

function put(s: State, c: Context, record: ApiKeyRecord): void {
  c.events.push({ kind: 'apiKeyChanged', record });
  if (keysLeave(s)) setLeave(c, record);
}

/** AK1 */
function setLeave(c: Context, record: ApiKeyRecord): void {
  const due = leavesAt(record);
  if (due !== undefined) c.events.push({ kind: 'timerSet', timer: 'apiKey', entity: record.id, due });
}

/** Undefined: nothing has ended it, and nothing will by itself. */
export function leavesAt(record: ApiKeyRecord): number | undefined {
  const end = endOfKey(record);
  return end === undefined ? undefined : end + LIMITS.apiKeyKeptMs;
}

/** AK1 */
export function keyLeaves(s: State, c: Context, id: string): void {
  if (s.apiKeys.get(id) !== undefined) remove(s, c, id);
}

function remove(s: State, c: Context, id: string): void {
  c.events.push({ kind: 'apiKeyRemoved', id }, { kind: 'timerCleared', timer: 'apiKey', entity: id });
  endSessions(s, c, id);
}

/** AK4 */
export function keysFromNowOn(s: State, c: Context): void {
  for (const record of s.apiKeysById) setLeave(c, record);
}

export const createApiKey: Decide<Prepared['apiKey.create']> = (s, c, { session, params }) => {
  // It stands in the log of its own tenant, where the node installs it; here only the request is remembered.
  if (params.tenant !== undefined) return accepted({ id: params.keyId });
  if (keysBeside(s, c.now) >= LIMITS.apiKeysMax) {
    return rejected('LIMIT_EXCEEDED', `The tenant has ${s.apiKeys.size} api keys, which is its limit.`);
  }
  if (s.apiKeys.get(params.keyId) !== undefined) return rejected('ALREADY_EXISTS');
  if (params.expiresAt !== undefined && params.expiresAt <= c.now) {
    return rejected('INVALID_PARAMS', 'expiresAt is over.', [{ path: 'expiresAt', reason: 'is over' }]);
  }
  makeRoom(s, c);
  put(s, c, {
    id: params.keyId,
    secretHash: params.secretHash,
    role: params.role,
    agent: params.agent,
    scopes: params.scopes,
    createdAt: c.now,
    createdBy: session.principal.id,
    expiresAt: params.expiresAt,
    revokedAt: undefined,
  });
  return accepted({ id: params.keyId });
};

export const revokeApiKey: Decide<Params['apiKey.revoke']> = (s, c, { params }) => {
  const key = s.apiKeys.get(params.id);
  if (key === undefined) return rejected('NOT_FOUND', 'No such api key.');
  if (key.revokedAt === undefined) {
    if (isLiveAdmin(key, c.now) && !hasAnotherAdmin(s, key, c.now)) {
      return rejected('INVALID_TRANSITION', 'It is the last key that administers this tenant: make another one first.');
    }
    put(s, c, { ...key, revokedAt: c.now });
    endSessions(s, c, key.id);
  }
  return accepted({ id: key.id });
};

function endSessions(s: State, c: Context, key: string): void {
  for (const open of s.sessionsByKey.of(key) ?? []) {
    c.events.push({ kind: 'followed', work: { kind: 'end', session: open.id, why: 'revoked' } });
  }
}

/** May still do everything in its tenant. */
function isLiveAdmin(key: ApiKeyRecord, now: number): boolean {
  const live = key.revokedAt === undefined && (key.expiresAt === undefined || key.expiresAt > now);
  return live && key.role === 'admin' && key.scopes === undefined;
}

function hasAnotherAdmin(s: State, than: ApiKeyRecord, now: number): boolean {
  for (const key of s.apiKeysById) if (key.id !== than.id && isLiveAdmin(key, now)) return true;
  return false;
}

/** The node installs a key that it drew: the first one of a data directory or of a tenant, or an operator's for a tenant. Again changes nothing. */
export function installKey(s: State, c: Context, key: Extract<SystemCommand, { kind: 'key.install' }>): Reply {
  if (s.apiKeys.get(key.id) !== undefined) return accepted({ id: key.id });
  if (key.first === true && s.counters.keysRemoved !== undefined) return accepted({ id: key.id }); // AK3
  makeRoom(s, c);
  put(s, c, {
    id: key.id,
    secretHash: key.secretHash,
    role: key.role,
    agent: undefined,
    scopes: undefined,
    createdAt: c.now,
    createdBy: 'server',
    expiresAt: undefined,
    revokedAt: undefined,
  });
  return accepted({ id: key.id });
}
