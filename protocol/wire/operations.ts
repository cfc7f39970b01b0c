/**
 * The operation table: one row per method. Authorisation, dispatch, documentation and tests read it;
 * a method without a row does not compile, nor does a row without params, result and schema.
 */
import type { Method, Role } from './types.ts';

/**
 * session: the caller's own session. work: creates or moves tasks. hold: a holder's call on its task, and locks.
 * control: an operator of work. query: reads. admin: keys, tenants.
 */
export type OperationClass = 'session' | 'work' | 'hold' | 'control' | 'query' | 'admin';

export interface Operation {
  /** Roles that may call it. `operator` is listed only where the system tenant's log is meant. */
  readonly roles: readonly Role[];
  readonly class: OperationClass;
  /** A write goes through the log and its outcome is remembered; a read is answered from state or store. */
  readonly access: 'read' | 'write';
  /** Ends work or frees something: still taken when the disk is nearly full. */
  readonly ends?: true;
}

const EVERYONE = ['admin', 'member', 'agent', 'viewer'] as const;
const WORKERS = ['admin', 'agent'] as const;
const WRITERS = ['admin', 'member', 'agent'] as const;
const OWNERS = ['admin', 'member'] as const;

export const OPERATIONS: { readonly [M in Method]: Operation } = {
  'session.snapshot': { roles: EVERYONE, class: 'session', access: 'read' },
  'agent.register': { roles: WORKERS, class: 'session', access: 'write' },
  'agent.get': { roles: EVERYONE, class: 'query', access: 'read' },
  'agent.list': { roles: EVERYONE, class: 'query', access: 'read' },
  'agent.heartbeat': { roles: WORKERS, class: 'session', access: 'read' },
  'agent.workload': { roles: EVERYONE, class: 'query', access: 'read' },
  'agent.inbox': { roles: EVERYONE, class: 'query', access: 'read' },
  'agent.update': { roles: WORKERS, class: 'session', access: 'write' },
  'agent.status': { roles: WRITERS, class: 'control', access: 'write', ends: true },
  'agent.drain': { roles: WRITERS, class: 'control', access: 'write', ends: true },
  'agent.deregister': { roles: WORKERS, class: 'session', access: 'write', ends: true },
  'strategy.set': { roles: OWNERS, class: 'control', access: 'write' },
  'strategy.get': { roles: EVERYONE, class: 'query', access: 'read' },
  'rule.add': { roles: OWNERS, class: 'control', access: 'write' },
  'rule.update': { roles: OWNERS, class: 'control', access: 'write' },
  'rule.reorder': { roles: OWNERS, class: 'control', access: 'write' },
  'rule.remove': { roles: OWNERS, class: 'control', access: 'write', ends: true },
  'rule.get': { roles: EVERYONE, class: 'query', access: 'read' },
  'rule.list': { roles: EVERYONE, class: 'query', access: 'read' },
  'task.create': { roles: WRITERS, class: 'work', access: 'write' },
  'task.createBatch': { roles: WRITERS, class: 'work', access: 'write' },
  'task.distribute': { roles: WRITERS, class: 'work', access: 'write' },
  'task.get': { roles: EVERYONE, class: 'query', access: 'read' },
  'task.explain': { roles: EVERYONE, class: 'query', access: 'read' },
  'task.list': { roles: EVERYONE, class: 'query', access: 'read' },
  'task.search': { roles: EVERYONE, class: 'query', access: 'read' },
  'task.timeline': { roles: EVERYONE, class: 'query', access: 'read' },
  'task.stats': { roles: EVERYONE, class: 'query', access: 'read' },
  'task.report': { roles: EVERYONE, class: 'query', access: 'read' },
  'task.backlog': { roles: EVERYONE, class: 'query', access: 'read' },
  'task.tree': { roles: EVERYONE, class: 'query', access: 'read' },
  'task.accept': { roles: WORKERS, class: 'hold', access: 'write', ends: true },
  'task.reject': { roles: WORKERS, class: 'hold', access: 'write', ends: true },
  'task.start': { roles: WORKERS, class: 'hold', access: 'write', ends: true },
  'task.progress': { roles: WORKERS, class: 'hold', access: 'write', ends: true },
  'task.complete': { roles: WORKERS, class: 'hold', access: 'write', ends: true },
  'task.fail': { roles: WORKERS, class: 'hold', access: 'write', ends: true },
  'task.release': { roles: WORKERS, class: 'hold', access: 'write', ends: true },
  'task.delegate': { roles: WORKERS, class: 'hold', access: 'write' },
  'task.cancel': { roles: WRITERS, class: 'control', access: 'write', ends: true },
  'task.acknowledge': { roles: WORKERS, class: 'hold', access: 'write', ends: true },
  'task.pause': { roles: WRITERS, class: 'control', access: 'write', ends: true },
  'task.resume': { roles: WRITERS, class: 'control', access: 'write', ends: true },
  'task.steer': { roles: WRITERS, class: 'control', access: 'write' },
  'task.reprioritise': { roles: WRITERS, class: 'control', access: 'write' },
  'task.extend': { roles: WRITERS, class: 'control', access: 'write', ends: true },
  'task.checkpoint': { roles: WORKERS, class: 'hold', access: 'write', ends: true },
  'task.output': { roles: WORKERS, class: 'hold', access: 'write' },
  'task.readOutput': { roles: EVERYONE, class: 'query', access: 'read' },
  'task.ask': { roles: WORKERS, class: 'hold', access: 'write' },
  'task.answer': { roles: WRITERS, class: 'control', access: 'write', ends: true },
  'task.retry': { roles: OWNERS, class: 'work', access: 'write' },
  'schedule.create': { roles: OWNERS, class: 'work', access: 'write' },
  'schedule.get': { roles: EVERYONE, class: 'query', access: 'read' },
  'schedule.list': { roles: EVERYONE, class: 'query', access: 'read' },
  'schedule.update': { roles: OWNERS, class: 'work', access: 'write' },
  'schedule.pause': { roles: OWNERS, class: 'control', access: 'write', ends: true },
  'schedule.resume': { roles: OWNERS, class: 'control', access: 'write' },
  'schedule.trigger': { roles: OWNERS, class: 'work', access: 'write' },
  'schedule.delete': { roles: OWNERS, class: 'control', access: 'write', ends: true },
  'deadLetter.list': { roles: EVERYONE, class: 'query', access: 'read' },
  'deadLetter.get': { roles: EVERYONE, class: 'query', access: 'read' },
  'deadLetter.edit': { roles: OWNERS, class: 'work', access: 'write' },
  'deadLetter.replay': { roles: OWNERS, class: 'work', access: 'write' },
  'deadLetter.discard': { roles: OWNERS, class: 'control', access: 'write', ends: true },
  'deadLetter.replayMany': { roles: OWNERS, class: 'work', access: 'write' },
  'deadLetter.discardMany': { roles: OWNERS, class: 'control', access: 'write' },
  'deadLetter.runs': { roles: EVERYONE, class: 'query', access: 'read' },
  'deadLetter.stop': { roles: OWNERS, class: 'control', access: 'write', ends: true },
  'lock.acquire': { roles: WRITERS, class: 'hold', access: 'write' },
  'lock.acquireAll': { roles: WRITERS, class: 'hold', access: 'write' },
  'lock.extend': { roles: WRITERS, class: 'hold', access: 'write', ends: true },
  'lock.release': { roles: WRITERS, class: 'hold', access: 'write', ends: true },
  'lock.convert': { roles: WRITERS, class: 'hold', access: 'write' },
  'lock.cancel': { roles: WRITERS, class: 'hold', access: 'write', ends: true },
  'lock.forceUnlock': { roles: ['admin'], class: 'admin', access: 'write', ends: true },
  'lock.get': { roles: EVERYONE, class: 'query', access: 'read' },
  'lock.list': { roles: EVERYONE, class: 'query', access: 'read' },
  'lock.validate': { roles: EVERYONE, class: 'query', access: 'read' },
  'lock.graph': { roles: EVERYONE, class: 'query', access: 'read' },
  'topic.subscribe': { roles: EVERYONE, class: 'session', access: 'write', ends: true },
  'topic.unsubscribe': { roles: EVERYONE, class: 'session', access: 'write', ends: true },
  'topic.publish': { roles: WRITERS, class: 'work', access: 'write' },
  'topic.history': { roles: EVERYONE, class: 'query', access: 'read' },
  'notification.send': { roles: WRITERS, class: 'work', access: 'write' },
  'notification.broadcast': { roles: WRITERS, class: 'work', access: 'write' },
  'workspace.create': { roles: WRITERS, class: 'work', access: 'write' },
  'workspace.get': { roles: EVERYONE, class: 'query', access: 'read' },
  'workspace.list': { roles: EVERYONE, class: 'query', access: 'read' },
  'workspace.update': { roles: WRITERS, class: 'control', access: 'write' },
  'workspace.archive': { roles: WRITERS, class: 'control', access: 'write', ends: true },
  'workspace.unarchive': { roles: WRITERS, class: 'control', access: 'write' },
  'workspace.delete': { roles: WRITERS, class: 'control', access: 'write', ends: true },
  'member.add': { roles: WRITERS, class: 'control', access: 'write' },
  'member.remove': { roles: WRITERS, class: 'control', access: 'write', ends: true },
  'member.setRole': { roles: WRITERS, class: 'control', access: 'write' },
  'member.list': { roles: EVERYONE, class: 'query', access: 'read' },
  'usage.update': { roles: WRITERS, class: 'work', access: 'write' },
  'usage.get': { roles: EVERYONE, class: 'query', access: 'read' },
  'usage.check': { roles: EVERYONE, class: 'query', access: 'read' },
  'state.get': { roles: EVERYONE, class: 'query', access: 'read' },
  'state.apply': { roles: WRITERS, class: 'work', access: 'write' },
  'state.history': { roles: EVERYONE, class: 'query', access: 'read' },
  'state.snapshot': { roles: WRITERS, class: 'work', access: 'write' },
  'state.snapshots': { roles: EVERYONE, class: 'query', access: 'read' },
  'state.restore': { roles: WRITERS, class: 'work', access: 'write' },
  'state.deleteSnapshot': { roles: WRITERS, class: 'control', access: 'write', ends: true },
  'presence.set': { roles: EVERYONE, class: 'session', access: 'write' },
  'presence.list': { roles: EVERYONE, class: 'query', access: 'read' },
  'activity.list': { roles: EVERYONE, class: 'query', access: 'read' },
  'blob.put': { roles: WRITERS, class: 'work', access: 'read' },
  'blob.get': { roles: EVERYONE, class: 'query', access: 'read' },
  'document.create': { roles: WRITERS, class: 'work', access: 'write' },
  'document.get': { roles: EVERYONE, class: 'query', access: 'read' },
  'document.list': { roles: EVERYONE, class: 'query', access: 'read' },
  'document.search': { roles: EVERYONE, class: 'query', access: 'read' },
  'document.update': { roles: WRITERS, class: 'work', access: 'write' },
  'document.delete': { roles: WRITERS, class: 'control', access: 'write', ends: true },
  'document.rename': { roles: WRITERS, class: 'work', access: 'write' },
  'document.archive': { roles: WRITERS, class: 'control', access: 'write', ends: true },
  'document.unarchive': { roles: WRITERS, class: 'control', access: 'write' },
  'document.diff': { roles: EVERYONE, class: 'query', access: 'read' },
  'document.html': { roles: EVERYONE, class: 'query', access: 'read' },
  'document.restore': { roles: WRITERS, class: 'work', access: 'write' },
  'document.snapshot': { roles: WRITERS, class: 'work', access: 'write' },
  'document.snapshots': { roles: EVERYONE, class: 'query', access: 'read' },
  'document.deleteSnapshot': { roles: WRITERS, class: 'control', access: 'write', ends: true },
  'document.history': { roles: EVERYONE, class: 'query', access: 'read' },
  'document.conflicts': { roles: EVERYONE, class: 'query', access: 'read' },
  'document.resolve': { roles: WRITERS, class: 'work', access: 'write' },
  'section.list': { roles: EVERYONE, class: 'query', access: 'read' },
  'section.update': { roles: WRITERS, class: 'work', access: 'write' },
  'section.lock': { roles: WRITERS, class: 'hold', access: 'write' },
  'section.unlock': { roles: WRITERS, class: 'hold', access: 'write', ends: true },
  'comment.create': { roles: WRITERS, class: 'work', access: 'write' },
  'comment.list': { roles: EVERYONE, class: 'query', access: 'read' },
  'comment.resolve': { roles: WRITERS, class: 'work', access: 'write' },
  'comment.delete': { roles: WRITERS, class: 'control', access: 'write', ends: true },
  'apiKey.create': { roles: ['admin'], class: 'admin', access: 'write' },
  'apiKey.list': { roles: ['admin'], class: 'admin', access: 'read' },
  'apiKey.revoke': { roles: ['admin'], class: 'admin', access: 'write', ends: true },
  'tenant.check': { roles: ['admin'], class: 'admin', access: 'read' },
  'tenant.mend': { roles: ['admin'], class: 'admin', access: 'write', ends: true },
  'tenant.create': { roles: ['operator'], class: 'admin', access: 'write' },
  'tenant.list': { roles: ['operator'], class: 'admin', access: 'read' },
  'backup.create': { roles: ['operator'], class: 'admin', access: 'read' },
  'job.list': { roles: ['operator'], class: 'admin', access: 'read' },
  'node.list': { roles: ['operator'], class: 'admin', access: 'read' },
};

export type WriteMethod = Exclude<Method, ReadMethod>;
export type ReadMethod =
  | 'session.snapshot'
  | 'agent.get'
  | 'agent.list'
  | 'agent.workload'
  | 'agent.inbox'
  | 'agent.heartbeat'
  | 'strategy.get'
  | 'rule.get'
  | 'rule.list'
  | 'task.get'
  | 'task.explain'
  | 'task.list'
  | 'schedule.get'
  | 'schedule.list'
  | 'task.search'
  | 'task.timeline'
  | 'task.stats'
  | 'task.report'
  | 'task.backlog'
  | 'task.readOutput'
  | 'task.tree'
  | 'tenant.check'
  | 'deadLetter.list'
  | 'deadLetter.get'
  | 'deadLetter.runs'
  | 'lock.get'
  | 'lock.list'
  | 'lock.validate'
  | 'lock.graph'
  | 'topic.history'
  | 'workspace.get'
  | 'workspace.list'
  | 'member.list'
  | 'usage.get'
  | 'usage.check'
  | 'state.get'
  | 'state.history'
  | 'state.snapshots'
  | 'presence.list'
  | 'activity.list'
  | 'blob.put'
  | 'blob.get'
  | 'document.get'
  | 'document.list'
  | 'document.search'
  | 'document.history'
  | 'document.diff'
  | 'document.html'
  | 'document.snapshots'
  | 'section.list'
  | 'comment.list'
  | 'document.conflicts'
  | 'apiKey.list'
  | 'tenant.list'
  | 'backup.create'
  | 'job.list'
  | 'node.list';

const CLASSES: ReadonlySet<string> = new Set(Object.values(OPERATIONS).map((row) => row.class));

/** What the scopes of a key may name: a method, or a class of them. */
export function isScope(name: string): boolean {
  return CLASSES.has(name) || isMethod(name);
}

export function isMethod(name: string): name is Method {
  return Object.hasOwn(OPERATIONS, name);
}

export function isRead(method: Method): method is ReadMethod {
  return OPERATIONS[method].access === 'read';
}
