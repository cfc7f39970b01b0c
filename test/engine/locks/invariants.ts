/**
 * What must be true of locks in every state between two entries, looked at record by record. The numbers are those under which the
 * promises are known: 18 compatible, 23 nobody waits for nothing, 25 counted, 29 no circle, 31 all or none, 32 intents above.
 */
import type { State } from '../../../src/engine/kernel/state.ts';
import { checkBook } from './book-check.ts';

type Mode = State['locks'] extends { hold(): readonly (infer R)[] }
  ? R extends { readonly members: readonly { readonly mode: infer M }[] }
    ? M
    : never
  : never;

/** Which may not stand beside each other; said once for each pair. */
const APART: readonly (readonly [Mode, Mode])[] = [
  ['intent_shared', 'exclusive'],
  ['intent_exclusive', 'shared'],
  ['intent_exclusive', 'shared_intent_exclusive'],
  ['intent_exclusive', 'exclusive'],
  ['shared', 'shared_intent_exclusive'],
  ['shared', 'exclusive'],
  ['shared_intent_exclusive', 'shared_intent_exclusive'],
  ['shared_intent_exclusive', 'exclusive'],
  ['exclusive', 'exclusive'],
];

const apart = (a: Mode, b: Mode): boolean => APART.some(([x, y]) => (x === a && y === b) || (x === b && y === a));

interface Hold {
  readonly owner: string;
  readonly path: string;
  readonly mode: Mode;
}

function holdsOf(owner: string, members: readonly { readonly path: string; readonly mode: Mode }[]): Hold[] {
  return members.flatMap(({ path, mode }) => {
    const parts = path.split('/');
    const intent = mode === 'shared' || mode === 'intent_shared' ? 'intent_shared' : 'intent_exclusive';
    const above = parts.slice(1).map((_, i): Hold => ({ owner, path: parts.slice(0, i + 1).join('/'), mode: intent }));
    return [...above, { owner, path, mode }];
  });
}

export function checkState(s: State): void {
  const holds = s.locks.hold().flatMap(({ owner, members }) => holdsOf(owner, members));
  const kept = s.lockDelays.hold().flatMap(({ owner, member }) => holdsOf(owner, [member]));
  // 18, 28
  for (const a of [...holds, ...kept]) {
    for (const b of holds) {
      if (a.owner !== b.owner && a.path === b.path && apart(a.mode, b.mode)) {
        throw new Error(`18: ${a.path} is held by ${a.owner} and ${b.owner}, ${a.mode} and ${b.mode}`);
      }
    }
  }
  const tokens = new Set<number>();
  for (const { id, count, members, token } of s.locks.hold()) {
    if (count < 1 || members.length === 0)
      throw new Error(`25: lock ${id} is held ${count} times on ${members.length} paths`);
    if (tokens.has(token)) throw new Error(`19: two locks have the token ${token}`);
    tokens.add(token);
  }
  // 31: what waits holds nothing; a request is no lock.
  for (const { id } of s.lockWaits.hold())
    if (s.locks.get(id) !== undefined) throw new Error(`31: ${id} waits and is held`);
  checkBook(s, { holds, kept });
  checkTasks(s);
}

const AT_WORK = ['offered', 'assigned', 'accepted', 'in_progress'];

/** 33: a task has all of its locks while it waits for an agent and while one has it, and none at any other time. */
function checkTasks(s: State): void {
  const tasks = s.tasks.hold();
  for (const { id, status, agentId, locks = [], lockId } of tasks) {
    const held = s.locks.hold().filter(({ owner }) => owner === id);
    const asked = s.lockWaits.hold().filter(({ owner }) => owner === id);
    const has = held.flatMap(({ members }) => members.map(({ path, mode }) => `${path} ${mode}`));
    const needs = locks.map(({ path, mode }) => `${path} ${mode}`);
    const works = AT_WORK.includes(status) || (status === 'paused' && agentId !== undefined);
    const whole = needs.length > 0 && has.toSorted().join() === needs.toSorted().join() && held[0]?.id === lockId;
    if (works && needs.length > 0 && !whole)
      throw new Error(`33: ${id} is ${status} and has ${has.join() || 'no locks'}`);
    if (!works && status !== 'pending' && held.length + asked.length > 0) {
      throw new Error(`33: ${id} is ${status}, has ${has.join()} and asks ${asked.length} times`);
    }
    if (status === 'pending' && needs.length > 0 && (whole ? 1 : 0) + asked.length !== 1) {
      throw new Error(`33: ${id} waits, has ${has.join()} and asks ${asked.length} times`);
    }
    if (status === 'pending' && whole && hasFreeWorker(s))
      throw new Error(`33: ${id} has its locks, and is given to nobody`);
  }
  const known = new Set(tasks.map(({ id }) => id));
  for (const { id, owner } of [...s.locks.hold(), ...s.lockWaits.hold()]) {
    if (owner.startsWith('tsk_') && !known.has(owner)) throw new Error(`33: ${id} is of ${owner}, which is not there`);
  }
}

function hasFreeWorker(s: State): boolean {
  return s.agents
    .hold()
    .some((one) => one.attached && one.active < one.capacity && one.capabilities.some(({ name }) => name === 'job'));
}
