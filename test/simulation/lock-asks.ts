/** Carries out what a plan asks of locks. */
import { ownersOf } from '../../src/engine/locks/owners.ts';
import type { LockRecord } from '../../src/engine/locks/lock-records.ts';
import type { Asked } from './asks.ts';
import type { LockAsk } from './swarm-locks.ts';

export function askLocks(ask: LockAsk, asked: Asked): void {
  const { client, book } = asked;
  switch (ask.do) {
    case 'lock':
      return client.lock(ask.job);
    case 'force': {
      const { path, graceMs } = ask;
      const current = heldOn(book, path)?.token;
      const token =
        ask.token === 'any' || current === undefined ? undefined : current + (ask.token === 'other' ? 1 : 0);
      const expect = token === undefined ? {} : { expectToken: String(token) };
      return client.ask('lock.forceUnlock', { path, graceMs, reason: 'planned', ...expect });
    }
    case 'steal': {
      const lock = heldOn(book, ask.path);
      // Its own, whichever of its sessions has it: nobody would tell its program that it has given that back.
      if (lock === undefined || isOwn(asked, lock)) return;
      return client.ask(ask.method, { id: lock.id, token: String(lock.token) }, { key: false });
    }
    case 'look': {
      const { method, path } = ask;
      if (method === 'lock.get') return client.ask(method, { path });
      if (method !== 'lock.validate') return client.ask(method, {});
      const lock = heldOn(book, path);
      if (lock !== undefined) client.ask(method, { id: lock.id, token: String(lock.token) });
    }
  }
}

function isOwn({ client, book }: Asked, { owner }: LockRecord): boolean {
  const state = book.tracker?.engine.state;
  const session = state?.sessions.get(client.sessionId ?? '');
  return state !== undefined && session !== undefined && ownersOf(state, session).includes(owner);
}

function heldOn({ tracker }: Asked['book'], path: string): LockRecord | undefined {
  for (const lock of tracker?.engine.state.locks.hold() ?? []) {
    if (lock.members.some((member) => member.path === path)) return lock;
  }
  return undefined;
}
