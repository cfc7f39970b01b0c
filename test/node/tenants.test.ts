/** Tenants and their administrators' keys, made by the operator: once, and never lost for good. */
import { afterEach, describe, expect, test } from 'vitest';
import { LIMITS } from '../../protocol/wire/limits.ts';
import type { Principal, Reply } from '../../src/node/port.ts';
import { NodeRig, type Client } from '../support/node-rig.ts';

const BOUNDS = { ...LIMITS };
afterEach(() => void Object.assign(LIMITS, BOUNDS));

function started(): { rig: NodeRig; operator: Client } {
  const rig = new NodeRig().start();
  return { rig, operator: rig.client(rig.operator) };
}

function keyOf(reply: Reply): { readonly id: string; readonly key: string | undefined } {
  if (!reply.ok) throw new Error(reply.rejection.code);
  return reply.result as { readonly id: string; readonly key: string | undefined };
}

const codeOf = (reply: Reply): string => (reply.ok ? 'ok' : reply.rejection.code);

describe('tenant.create', () => {
  test('asked again under its id gives the tenant and the id of its key, and the key no more', () => {
    const { rig, operator } = started();
    const first = keyOf(rig.ask(operator, 'tenant.create', { params: { id: 'acme' }, id: 7 }));
    expect(rig.holder(first.key ?? '')).toMatchObject({ tenant: 'acme', role: 'admin' });
    const again = keyOf(rig.ask(operator, 'tenant.create', { params: { id: 'acme' }, id: 7 }));
    expect(again).toMatchObject({ tenant: { id: 'acme' }, id: first.id });
    expect(again.key).toBeUndefined();
    expect(codeOf(rig.ask(operator, 'tenant.create', { params: { id: 'acme' }, id: 8 }))).toBe('ALREADY_EXISTS');
    expect(codeOf(rig.ask(operator, 'tenant.create', { params: { id: 'other' }, id: 7 }))).toBe('IDEMPOTENCY_MISMATCH');
  });

  test('a key names it for the principal, on any session and after a restart', () => {
    const { rig, operator } = started();
    const first = keyOf(rig.ask(operator, 'tenant.create', { params: { id: 'acme' }, key: 'k1' }));
    expect(first.key).toBeDefined();
    rig.restart();
    const other = rig.client(rig.operator);
    const again = keyOf(rig.ask(other, 'tenant.create', { params: { id: 'acme' }, key: 'k1', id: 99 }));
    expect([again.id, again.key]).toEqual([first.id, undefined]);
    expect(codeOf(rig.ask(other, 'tenant.create', { params: { id: 'other' }, key: 'k1' }))).toBe(
      'IDEMPOTENCY_MISMATCH',
    );
    expect(codeOf(rig.ask(other, 'tenant.create', { params: { id: 'acme' }, key: 'k2' }))).toBe('ALREADY_EXISTS');
    rig.scheduler.advance(25 * 3_600_000);
    const later = rig.client(rig.operator);
    expect(codeOf(rig.ask(later, 'tenant.create', { params: { id: 'third' }, key: 'k1' })), 'a day later').toBe('ok');
  });

  test('requests that want no answer are not one request', () => {
    const { rig, operator } = started();
    for (const id of ['a', 'b']) {
      expect(codeOf(rig.ask(operator, 'tenant.create', { params: { id }, id: 0 }))).toBe('ok');
    }
    expect(rig.result(operator, 'tenant.list')['tenants']).toMatchObject([{ id: 'a' }, { id: 'b' }]);
  });
});

describe('apiKey.create with a tenant', () => {
  test("gives the operator an administrator's key of it, when the first one was lost", () => {
    const { rig, operator } = started();
    rig.result(operator, 'tenant.create', { id: 'acme' });
    const params = { role: 'admin', tenant: 'acme' };
    const made = keyOf(rig.ask(operator, 'apiKey.create', { params, id: 50 }));
    const admin = rig.client(rig.holder(made.key ?? ''));
    expect(rig.holder(made.key ?? '')).toMatchObject({ tenant: 'acme', role: 'admin', keyId: made.id });
    expect(rig.result(admin, 'apiKey.list')['keys']).toHaveLength(2);
    expect(rig.result(operator, 'apiKey.list')['keys'], 'none was made here').toHaveLength(1);
    // Asked again: the same key, and not shown.
    expect(keyOf(rig.ask(operator, 'apiKey.create', { params, id: 50 }))).toEqual({ id: made.id });
    expect(rig.result(admin, 'apiKey.list')['keys']).toHaveLength(2);
    const named = keyOf(rig.ask(operator, 'apiKey.create', { params, key: 'k1', id: 60 }));
    expect(keyOf(rig.ask(operator, 'apiKey.create', { params, key: 'k1', id: 61 }))).toEqual({ id: named.id });
    rig.restart();
    expect(rig.holder(made.key ?? '')).toMatchObject({ tenant: 'acme' });
  });

  test('is for operators, and for tenants that are there and served', () => {
    const { rig, operator } = started();
    const acme = rig.client(rig.holder(String(rig.result(operator, 'tenant.create', { id: 'acme' })['key'])));
    const asked = (client: Client, tenant: string): string =>
      codeOf(rig.ask(client, 'apiKey.create', { params: { role: 'admin', tenant } }));
    expect(asked(acme, 'acme')).toBe('UNAUTHORIZED');
    expect(asked(acme, 'default')).toBe('UNAUTHORIZED');
    expect(asked(operator, 'nowhere')).toBe('NOT_FOUND');
    expect(asked(operator, 'system')).toBe('NOT_FOUND');
    expect(asked(operator, 'default')).toBe('ok');
    rig.disk.tenant('acme').add(new Uint8Array([0xc1]), rig.scheduler.now());
    rig.restart();
    expect(asked(rig.client(rig.operator), 'acme')).toBe('UNAVAILABLE');
  });
});

describe('apiKey.revoke', () => {
  test("refuses the operator's key, even if others administer its tenant", () => {
    const { rig, operator } = started();
    const first = String(rig.operator.keyId);
    const other = rig.result(operator, 'apiKey.create', { role: 'admin' });
    const admin = rig.client(rig.holder(String(other['key'])));
    expect(codeOf(rig.ask(admin, 'apiKey.revoke', { params: { id: first } }))).toBe('INVALID_TRANSITION');
    expect(rig.operator).toMatchObject({ operator: true });
    expect(codeOf(rig.ask(operator, 'apiKey.revoke', { params: { id: String(other['id']) } }))).toBe('ok');
  });

  test("takes the first administrator's key of a tenant when there is another", () => {
    const { rig, operator } = started();
    const made = rig.result(operator, 'tenant.create', { id: 'acme' });
    const acme = rig.client(rig.holder(String(made['key'])));
    const revoke = (): string => codeOf(rig.ask(acme, 'apiKey.revoke', { params: { id: String(made['id']) } }));
    expect(revoke()).toBe('INVALID_TRANSITION');
    rig.result(operator, 'apiKey.create', { role: 'admin', tenant: 'acme' });
    expect(revoke()).toBe('ok');
  });

  test('and a first key that has left is not made good again by any start', () => {
    Object.assign(LIMITS, { apiKeyKeptMs: 60_000 });
    const { rig, operator } = started();
    const made = rig.result(operator, 'tenant.create', { id: 'acme' });
    const other = rig.result(operator, 'apiKey.create', { role: 'admin', tenant: 'acme' });
    const holder = (key: unknown): Principal => rig.holder(String(key));
    rig.result(rig.client(holder(other['key'])), 'apiKey.revoke', { id: String(made['id']) });
    const ids = (): unknown[] => {
      const keys = rig.result(rig.client(holder(other['key'])), 'apiKey.list')['keys'] as { readonly id: string }[];
      return keys.map(({ id }) => id);
    };
    expect(ids()).toHaveLength(2);
    rig.scheduler.advance(60_000);
    rig.scheduler.settle();
    expect(ids()).toEqual([other['id']]);
    rig.restart();
    expect(ids()).toEqual([other['id']]);
    expect(() => holder(made['key'])).toThrow('a key that is valid');
  });

  test('makes room for keys of the operator too', () => {
    Object.assign(LIMITS, { apiKeysMax: 2 });
    const { rig, operator } = started();
    const made = rig.result(operator, 'tenant.create', { id: 'acme' });
    const params = { role: 'admin', tenant: 'acme' };
    const other = rig.result(operator, 'apiKey.create', params);
    expect(codeOf(rig.ask(operator, 'apiKey.create', { params }))).toBe('LIMIT_EXCEEDED');
    rig.result(rig.client(rig.holder(String(other['key']))), 'apiKey.revoke', { id: String(made['id']) });
    const third = rig.result(operator, 'apiKey.create', params);
    expect(rig.holder(String(third['key']))).toMatchObject({ tenant: 'acme', role: 'admin' });
    expect(codeOf(rig.ask(operator, 'apiKey.create', { params }))).toBe('LIMIT_EXCEEDED');
  });
});
