/** Carries out what a plan asks of locks. */
import type { Asked } from './asks.ts';
import type { LockAsk } from './swarm-locks.ts';

export function askLocks(ask: LockAsk, { client, book }: Asked): void {
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
      if (lock === undefined) return;
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

function heldOn({ tracker }: Asked['book'], path: string): { readonly id: string; readonly token: number } | undefined {
  for (const lock of tracker?.engine.state.locks.hold() ?? []) {
    if (lock.members.some((member) => member.path === path)) return lock;
  }
  return undefined;
}
