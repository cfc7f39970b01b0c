/** The look through all workspaces for the metrics: it ends, misses none, and holds nobody up. */
import { describe, expect, it } from 'vitest';
import { QuotaLook, type QuotaShares } from '../../src/node/quotas.ts';
import { NodeRig, type Client } from '../support/node-rig.ts';

const WORKSPACES = 450;

function looked(rig: NodeRig): QuotaShares {
  const look = new QuotaLook({ scheduler: rig.scheduler, servings: () => rig.node.servings });
  look.shares();
  rig.scheduler.settle();
  return look.shares();
}

function workspace(rig: NodeRig, ann: Client): string {
  const made = rig.result(ann, 'workspace.create', { name: 'x' }) as unknown as {
    readonly workspace: { readonly id: string };
  };
  return made.workspace.id;
}

describe('the look through quotas', () => {
  it('finds the fullest of many workspaces, wherever it is, and counts those that are nearly full', () => {
    const rig = new NodeRig().start();
    const ann = rig.client({ id: 'key:ann', tenant: 'default', role: 'admin' }, {});
    const ids = Array.from({ length: WORKSPACES }, () => workspace(rig, ann));
    expect(looked(rig).storageBytes).toEqual({ most: 0, near: 0 });
    const quota = 1_000;
    for (const [id, used] of [
      [ids[0], 950],
      [ids[201], 899],
      [ids[WORKSPACES - 1], 990],
    ] as const) {
      rig.result(ann, 'workspace.update', { id: id ?? '', settings: { quotas: { storageBytes: quota } } });
      rig.result(ann, 'usage.update', { workspaceId: id ?? '', storageBytes: used });
    }
    const { storageBytes, members, agents } = looked(rig);
    expect(storageBytes).toEqual({ most: 0.99, near: 2 });
    expect(members).toEqual({ most: 0.01, near: 0 }); // one of a hundred
    expect(agents).toEqual({ most: 0, near: 0 });
  });

  it('goes on in later turns, and tells meanwhile what it knew', () => {
    const rig = new NodeRig().start();
    const ann = rig.client({ id: 'key:ann', tenant: 'default', role: 'admin' }, {});
    workspace(rig, ann);
    let turns = 0;
    const scheduler = {
      now: () => rig.scheduler.now(),
      mono: () => rig.scheduler.mono(),
      after: (ms: number, fn: () => void) => rig.scheduler.after(ms, fn),
      defer: (fn: () => void) => {
        turns += 1;
        rig.scheduler.defer(fn);
      },
    };
    const look = new QuotaLook({ scheduler, servings: () => rig.node.servings });
    expect(look.shares().members.most).toBe(0);
    expect(look.shares().members.most).toBe(0);
    expect(turns).toBe(1); // it was begun once
    rig.scheduler.settle();
    expect(look.shares().members.most).toBe(0.01);
  });
});
