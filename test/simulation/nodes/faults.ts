/** Makes the faults of a plan of several nodes. */
import { noticedMs } from '../network.ts';
import { SLOW_MS } from './families.ts';
import type { NodesAction } from './plan.ts';
import type { NodesSimulation } from './simulation.ts';
import type { SimNode } from './sim-node.ts';

type Fault = Exclude<NodesAction, { readonly do: 'create' | 'lock' | 'checkpoint' }>;

/** Faults through which every node lives and keeps its way to Redis. */
const LEAVES_ALL_NODES: ReadonlySet<Fault['do']> = new Set([
  'drop',
  'move',
  'kill',
  'redis.failover',
  'redis.flush',
  'redis.stick',
]);

function leavesAllNodes(fault: Fault): boolean {
  return LEAVES_ALL_NODES.has(fault.do) || (fault.do === 'slow' && fault.ms <= SLOW_MS);
}

export function makeNodesFault(run: NodesSimulation, fault: Fault): void {
  const { redis } = run;
  run.recorder.fault(fault.do === 'trap' ? `${fault.fate} at ${fault.on}` : nameOf(fault));
  run.recorder.restless(noticedMs());
  if (!leavesAllNodes(fault)) run.add({ kind: 'disturbed' });
  switch (fault.do) {
    case 'drop':
      return run.programs.get(fault.program)?.drop();
    case 'move':
      return run.programs.get(fault.program)?.move();
    case 'kill':
      return run.programs.get(fault.program)?.kill();
    case 'redis.restart':
      return redis.restart(fault.downMs);
    case 'redis.stall':
      return redis.stall(fault.ms);
    case 'redis.flush':
      return redis.flushScripts();
    case 'redis.refuse':
      return redis.refuse(fault.what, fault.ms);
    case 'redis.stick':
      return redis.stick(fault.replica, fault.ms);
    case 'redis.failover':
      if (redis.failover(fault) && fault.lossy) run.add({ kind: 'lossy' });
      return;
    case 'redis.rewind':
      redis.rewind(fault, () => run.add({ kind: 'lossy' }));
      return;
    case 'redis.split':
      redis.split({ nodes: fault.nodes.map((node) => nodeOf(run, node).name), ms: fault.ms });
      return;
    case 'jump':
      if (fault.node === 'redis') redis.jump(fault.ms);
      else nodeOf(run, fault.node).wall.offsetMs += fault.ms;
      return;
    case 'crash':
    case 'stop':
    case 'stall':
    case 'isolate':
    case 'slow':
    case 'trap':
      return ofNode(run, fault);
  }
}

function ofNode(
  run: NodesSimulation,
  fault: Extract<Fault, { readonly do: 'crash' | 'stop' | 'stall' | 'isolate' | 'slow' | 'trap' }>,
): void {
  const node = nodeOf(run, fault.node);
  const { redis } = run;
  switch (fault.do) {
    case 'crash':
      return node.crash(fault.downMs);
    case 'stop':
      return node.stop(fault.downMs);
    case 'stall':
      return node.stall(fault.ms);
    case 'isolate':
      return redis.isolate(node.name, fault);
    case 'slow':
      return redis.slow(node.name, fault);
    case 'trap':
      return redis.trap({ node: node.name, on: fault.on, fate: fault.fate, skip: fault.skip });
  }
}

function nodeOf({ nodes }: NodesSimulation, index: number): SimNode {
  const node = nodes[index % nodes.length];
  if (node === undefined) throw new Error('there is a node');
  return node;
}

function nameOf(fault: Fault): string {
  if (fault.do === 'redis.failover') return fault.lossy ? 'redis.failover that loses' : 'redis.failover';
  return fault.do === 'redis.refuse' ? `redis.refuse: ${fault.what}` : fault.do;
}
