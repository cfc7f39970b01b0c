/**
 * A load generator's own process: the parent calls, the role answers, and either may send notes.
 *
 * Owns: the conversation over the channel of `child_process.fork`, typed by one interface that both sides name.
 * Does not own: what the calls mean.
 *
 * R1 Every call is answered once, with a result or a failure.
 * R2 A role whose parent is gone ends at once: no load generator outlives its bench.
 */
import { assert } from '../../src/base/assert.ts';

/** Calls by name. Values cross by structured clone: plain data and typed arrays. */
export type Calls = { readonly [name: string]: { readonly params: unknown; readonly result: unknown } };

/** What a role sends on its own. */
export type Notes = { readonly [name: string]: unknown };

export interface CallMessage {
  readonly kind: 'call';
  readonly call: number;
  readonly name: string;
  readonly params: unknown;
}

export type RoleMessage =
  | { readonly kind: 'ready' }
  | { readonly kind: 'result'; readonly call: number; readonly result: unknown }
  | { readonly kind: 'failure'; readonly call: number; readonly message: string }
  | { readonly kind: 'note'; readonly name: string; readonly value: unknown };

type Handlers<C extends Calls> = {
  readonly [N in keyof C]: (params: C[N]['params']) => C[N]['result'] | Promise<C[N]['result']>;
};

export type Notify<N extends Notes> = <K extends keyof N & string>(name: K, value: N[K]) => void;

/** Plays a role in this process: `make` gets the way to send notes and gives the handlers of the calls. */
export function playRole<C extends Calls, N extends Notes = Record<string, never>>(
  make: (notify: Notify<N>) => Handlers<C>,
): void {
  assert(process.send !== undefined, 'a role runs in a forked process');
  const handlers = make((name, value) => tell({ kind: 'note', name, value }));
  process.on('message', (message: CallMessage) => {
    void answer(handlers, message);
  });
  process.on('disconnect', () => process.exit(0));
  // A terminal's Ctrl-C reaches the whole group; the parent decides in which order things end.
  process.on('SIGINT', () => undefined);
  tell({ kind: 'ready' });
}

async function answer<C extends Calls>(handlers: Handlers<C>, message: CallMessage): Promise<void> {
  try {
    const handler = handlers[message.name];
    assert(handler !== undefined, `no call named ${message.name}`);
    tell({ kind: 'result', call: message.call, result: await handler(message.params) });
  } catch (cause) {
    const text = cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
    tell({ kind: 'failure', call: message.call, message: text });
  }
}

function tell(message: RoleMessage): void {
  if (process.connected) process.send?.(message);
}
