/** Tenants that are not served, as whoever runs the server sees it. */
import { describe, expect, test } from 'vitest';
import { LogFault, type LogDriver } from '../../src/log/port.ts';
import { NodeRig } from '../support/node-rig.ts';

/** A node whose log refuses these tenants. */
function refusing(tenants: Set<string>): NodeRig {
  const log = (inner: LogDriver): LogDriver => ({
    name: inner.name,
    snapshots: inner.snapshots,
    tenants: (done) => inner.tenants(done),
    disk: () => inner.disk(),
    close: (done) => inner.close(done),
    open: (tenant, done) =>
      tenants.has(tenant)
        ? rig.scheduler.defer(() => done(new LogFault('TRUNCATED', 'entries are missing')))
        : inner.open(tenant, done),
  });
  const rig = new NodeRig({ log });
  return rig;
}

describe('a tenant whose log is refused', () => {
  test('is named with the reason, once; with no other to serve the node says that it serves nobody', () => {
    const tenants = new Set<string>();
    const rig = refusing(tenants).start();
    expect([rig.node.serves, rig.node.refused.size]).toEqual([true, 0]);
    tenants.add('default');
    rig.restart();
    expect(rig.halted).toEqual(['default']);
    expect([...rig.node.refused]).toMatchObject([['default', { fault: 'TRUNCATED' }]]);
    expect(rig.node.serves).toBe(false);
  });

  test('leaves a node that serves, if there are others', () => {
    const tenants = new Set<string>();
    const rig = refusing(tenants).start();
    rig.result(rig.client(rig.operator), 'tenant.create', { id: 'acme' });
    tenants.add('default');
    rig.restart();
    expect([rig.node.serves, [...rig.node.refused.keys()]]).toEqual([true, ['default']]);
  });

  test('does not keep the first start from ending, and has its key at a later one', () => {
    const tenants = new Set(['default']);
    const rig = refusing(tenants).start();
    expect(rig.node.serves).toBe(false);
    tenants.clear();
    rig.restart();
    expect(rig.node.serves).toBe(true);
    rig.result(rig.client(rig.operator), 'tenant.create', { id: 'acme' });
  });
});

test('a tenant that was halted at its replay counts as one that is not served, and is reported once', () => {
  const rig = new NodeRig().start();
  rig.disk.tenant('default').add(new Uint8Array([0xc1]), rig.scheduler.now());
  rig.restart();
  expect(rig.halted).toEqual(['default']);
  expect([rig.node.serves, [...rig.node.refused.keys()]]).toEqual([false, ['default']]);
});
