/**
 * What a principal may call: a pure function of the operation table, the role, the scopes and the params.
 *
 * Owns: the decision. Does not own: ownership of entities (a holder's token, an agent's tasks), which the engine
 * decides.
 *
 * A1 A method is allowed only if its row names the role; the operator's methods also to a principal that is
 *    operator beside its role.
 * A2 Scopes only take away: a principal that has some calls nothing outside of them.
 * A3 Role `agent` speaks for the one agent that its credential names.
 * A4 Keys of another tenant are created by an operator only.
 * A5 A key that is created may do nothing that its creator may not, and does not outlive the creator's credential.
 */
import { isMap } from '../../protocol/wire/codec.ts';
import type { Rejection } from '../../protocol/wire/codes.ts';
import { OPERATIONS, isMethod, type Operation } from '../../protocol/wire/operations.ts';
import { ROLES, type Method, type Role, type Value, type ValueMap } from '../../protocol/wire/types.ts';
import type { Principal } from '../node/port.ts';

/** Undefined: allowed. `params` have passed the method's schema. */
export function authorise(principal: Principal, method: Method, params: Value): Rejection | undefined {
  const row: Operation = OPERATIONS[method];
  if (!roleAllows(row, principal)) {
    return { code: 'UNAUTHORIZED', message: `The role ${principal.role} may not call ${method}.` };
  }
  if (!scopesAllow(principal.scopes, method, row)) {
    return { code: 'UNAUTHORIZED', message: `The scopes of the credential do not include ${method}.` };
  }
  if (method === 'agent.register') return authoriseAgent(principal, textIn(params, 'name'));
  if (method === 'apiKey.create' && textIn(params, 'tenant') !== undefined && principal.operator !== true) {
    return { code: 'UNAUTHORIZED', message: 'Only an operator may create keys of another tenant.' }; // A4
  }
  if (method === 'apiKey.create') return authoriseKey(principal, isMap(params) ? params : {});
  return undefined;
}

/** What HELLO asks for beside the session is held to the same as the requests that ask for it. */
export function authoriseHello(
  principal: Principal,
  asked: { readonly agent?: { readonly name: string }; readonly subs?: readonly string[] },
): Rejection | undefined {
  const { agent, subs = [] } = asked;
  const refused = agent === undefined ? undefined : authorise(principal, 'agent.register', { name: agent.name });
  if (refused !== undefined || subs.length === 0) return refused;
  return authorise(principal, 'topic.subscribe', {});
}

/** Whether the principal may register the agent of this name. */
function authoriseAgent(principal: Principal, name: string | undefined): Rejection | undefined {
  if (principal.role === 'admin') return undefined;
  if (principal.role !== 'agent') {
    return { code: 'UNAUTHORIZED', message: `The role ${principal.role} may not register an agent.` };
  }
  if (principal.agent === undefined || principal.agent !== name) {
    return { code: 'UNAUTHORIZED', message: 'The credential names another agent.' };
  }
  return undefined;
}

/** A5 */
function authoriseKey({ scopes, expiresAt }: Principal, asked: ValueMap): Rejection | undefined {
  const { scopes: wanted, expiresAt: until } = asked;
  if (scopes !== undefined && !(Array.isArray(wanted) && wanted.every((one) => isWithin(String(one), scopes)))) {
    return { code: 'UNAUTHORIZED', message: 'The scopes of the key would exceed those of the credential.' };
  }
  if (expiresAt !== undefined && !(typeof until === 'number' && until <= expiresAt)) {
    return { code: 'UNAUTHORIZED', message: `The key would outlive the credential, which expires at ${expiresAt}.` };
  }
  return undefined;
}

/** Whether each method of this scope is one of these scopes' too. */
function isWithin(scope: string, scopes: readonly string[]): boolean {
  const methods = Object.keys(OPERATIONS).filter(isMethod);
  return methods.every(
    (method) => !scopesAllow([scope], method, OPERATIONS[method]) || scopesAllow(scopes, method, OPERATIONS[method]),
  );
}

export interface AccessRow {
  readonly method: Method;
  readonly role: Role;
  readonly allowed: boolean;
}

/** Every role × every method, decided by the table alone: for tests and documentation. */
export function accessMatrix(): readonly AccessRow[] {
  const methods = Object.keys(OPERATIONS).filter(isMethod);
  return methods.flatMap((method) =>
    ROLES.map((role) => ({ method, role, allowed: OPERATIONS[method].roles.includes(role) })),
  );
}

function roleAllows(row: Operation, principal: Principal): boolean {
  return row.roles.includes(principal.role) || (principal.operator === true && row.roles.includes('operator'));
}

function scopesAllow(scopes: readonly string[] | undefined, method: Method, row: Operation): boolean {
  return scopes === undefined || scopes.includes(method) || scopes.includes(row.class);
}

function textIn(params: Value, name: string): string | undefined {
  if (!isMap(params)) return undefined;
  const text = params[name];
  return typeof text === 'string' ? text : undefined;
}
