/** Every role × every method of the operation table, asked of a whole node with valid params: who is let through. */
import { describe, expect, test } from 'vitest';
import type { Role } from '../../protocol/wire/types.ts';
import { accessMatrix } from '../../src/access/index.ts';
import type { Principal } from '../../src/node/port.ts';
import { PARAMS } from '../protocol/vectors/params.ts';
import { validParams } from '../protocol/vectors/valid-params.ts';
import { NodeRig, type Client } from '../support/node-rig.ts';

/** The name that the vectors give an agent. */
const AGENT = 'resizer';

/** A fresh node, so that no answer depends on what was asked before. */
function opened(role: Role): { readonly rig: NodeRig; readonly client: Client } {
  const rig = new NodeRig().start();
  if (role === 'operator') {
    // No key has this role alone: it stands beside that of an administrator, who may do everything else.
    const alone: Principal = { ...rig.operator, role: 'operator' };
    return { rig, client: rig.client(alone) };
  }
  const admin = rig.client(rig.operator);
  const made = rig.result(admin, 'apiKey.create', { role, ...(role === 'agent' ? { agent: AGENT } : {}) });
  return { rig, client: rig.client(rig.holder(String(made['key']))) };
}

const rows = accessMatrix();
const roles = [...new Set(rows.map(({ role }) => role))];

describe.each(roles)('%s', (role) => {
  test.each(rows.filter((row) => row.role === role))('$method: allowed $allowed', ({ method, allowed }) => {
    const { rig, client } = opened(role);
    const before = rig.node.servings.map(({ tenant }) => tenant.engine.state.counters.seq);
    const reply = rig.ask(client, method, { params: validParams(method) });
    const code = reply.ok ? 'ok' : reply.rejection.code;
    if (allowed) expect(code).not.toMatch(/^(?:UNAUTHORIZED|UNAUTHENTICATED|UNKNOWN_METHOD|INTERNAL)$/);
    else {
      expect(code).toBe('UNAUTHORIZED');
      expect(
        rig.node.servings.map(({ tenant }) => tenant.engine.state.counters.seq),
        'nothing was logged',
      ).toEqual(before);
    }
  });
});

test('the matrix is whole', () => {
  expect(rows).toHaveLength(roles.length * Object.keys(PARAMS).length);
  expect(new Set(rows.map(({ role, method }) => `${role} ${method}`)).size).toBe(rows.length);
});
