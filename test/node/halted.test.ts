/** A tenant that is not served: its clients are told to come back later, and the others do not notice. */
import { describe, expect, test } from 'vitest';
import { NodeRig } from '../support/node-rig.ts';

/** A node with a tenant `acme`, and that tenant's administrator's key. */
function withTenant(): { rig: NodeRig; key: string } {
  const rig = new NodeRig().start();
  const { key } = rig.result(rig.client(rig.operator), 'tenant.create', { id: 'acme' });
  if (typeof key !== 'string') throw new Error('the first answer has the key');
  rig.holder(key);
  return { rig, key };
}

/** Makes the newest entry of acme one that no engine can apply. */
function damage(rig: NodeRig): void {
  const disk = rig.disk.tenant('acme');
  disk.add(new Uint8Array([0xc1]), rig.scheduler.now());
}

describe('a tenant that was halted', () => {
  test('at its replay: nobody can say whether a key of it is valid, so none is refused for good', () => {
    const { rig, key } = withTenant();
    damage(rig);
    rig.restart();
    expect(rig.halted).toEqual(['acme']);
    expect(rig.node.authenticate(key)).toBe('unavailable');
    expect(rig.node.authenticate(key.replace(/.$/, 'x'))).toBe('unavailable');
    expect(rig.node.authenticate(key.replace('acme', 'nowhere'))).toBeUndefined();
    expect(rig.hello(rig.operator).kind).toBe('welcome');
  });

  test('because its log is damaged: the same', () => {
    const { rig, key } = withTenant();
    const bytes = rig.disk.tenant('acme').entries[0]?.bytes;
    bytes![bytes!.length - 1]! ^= 1;
    rig.restart();
    expect(rig.halted).toEqual(['acme']);
    expect(rig.node.authenticate(key)).toBe('unavailable');
  });

  test('while it is served: those who are connected are closed, those who come are told to come later', () => {
    const { rig, key } = withTenant();
    const holder = rig.holder(key);
    const client = rig.client(holder);
    damage(rig);
    client.attached.request(
      { id: 1, method: 'topic.publish', params: { topic: 'a', data: 1 }, hash: 1 },
      () => undefined,
    );
    rig.scheduler.settle();
    expect(client.told).toEqual(['close UNAVAILABLE']);
    expect(rig.node.authenticate(key)).toBe('unavailable');
    expect(rig.hello(holder)).toMatchObject({ kind: 'refused', close: 'UNAVAILABLE' });
  });
});
