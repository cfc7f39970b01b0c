/**
 * Hands a large piece of data from a node that has it to one that asks for it, through Redis.
 *
 *     muster:{relay}:asks    list of the names of those that ask
 *     muster:{relay}:<name>  list of what is on its way: u8 kind (0 begun, 1 piece, 2 end) · bytes; the end has the SHA-256 of all pieces
 *
 * Owns: asking, the pieces on their way. Does not own: what they are.
 *
 * RY1 At most `piecesMax` are in Redis at a time; what nobody takes, or nobody adds to, goes away by itself.
 * RY2 Who asked has all of it, as it was given out, or knows that it has not: a piece that got lost gives another hash.
 * RY3 One node answers an ask: it takes the ask out of the list.
 */
import { createHash, randomBytes } from 'node:crypto';
import type { Scheduler } from '../../base/scheduler.ts';
import { messageOf, type Link } from './link.ts';
import { bytesOf, integerOf, optionalText } from './replies.ts';

const prefix = 'muster:{relay}:';
const asks = `${prefix}asks`;
/** RY1 */
const piecesMax = 16;
const keptSeconds = '60';
const begun = 0;
const piece = 1;
const end = 2;

export const relayMs = {
  /** Between two looks for an ask. */
  look: 1_000,
  /** Until somebody answers. */
  answer: 10_000,
  /** Without anything new. */
  silence: 60_000,
  /** Between two looks for a piece, or for room. */
  again: 20,
} as const;

/** Asks Redis. Rejects when there is no connection, or it ends. */
type Ask = (ask: (link: Link) => Promise<unknown>) => Promise<unknown>;

/** Resolves when all of it was given to `take`, with the bytes that there were; undefined: no node has it to give now. */
export async function fetchRelayed(
  parts: { readonly ask: Ask; readonly scheduler: Scheduler },
  take: (bytes: Uint8Array) => Promise<void>,
): Promise<number | undefined> {
  const { ask, scheduler } = parts;
  const name = randomBytes(8).toString('hex');
  const key = `${prefix}${name}`;
  await ask((link) => link.call('RPUSH', asks, name));
  await ask((link) => link.call('EXPIRE', asks, keptSeconds));
  const hash = createHash('sha256');
  let bytes = 0;
  let patienceMs: number = relayMs.answer;
  for (let waitedMs = 0; waitedMs <= patienceMs;) {
    const next = await ask((link) => link.call('LPOP', key));
    if (next === null || next === undefined) {
      await after(scheduler, relayMs.again);
      waitedMs += relayMs.again;
      continue;
    }
    waitedMs = 0;
    patienceMs = relayMs.silence;
    const element = bytesOf(next);
    const rest = element.subarray(1);
    if (element[0] === end) {
      if (hash.digest('hex') === Buffer.from(rest).toString()) return bytes;
      throw new Error('what came from another node is not what that gave out'); // RY2
    }
    if (element[0] !== piece) continue;
    hash.update(rest);
    bytes += rest.length;
    await take(rest);
  }
  if (patienceMs === relayMs.silence) throw new Error('the other node stopped giving out');
  await ask((link) => link.call('LREM', asks, '0', name));
  return undefined;
}

/** Answers asks, one after the other, until it is ended. `give` makes the pieces of an answer. */
export function serveRelay(parts: {
  readonly ask: Ask;
  readonly scheduler: Scheduler;
  readonly give: () => AsyncIterable<Uint8Array>;
  readonly trouble: (what: string) => void;
}): () => void {
  const { ask, scheduler, give, trouble } = parts;
  let ended = false;
  let cancel: () => void = () => undefined;
  const look = async (): Promise<void> => {
    const name = await asked(ask);
    try {
      if (name !== undefined) await answer({ ask, scheduler, key: `${prefix}${name}`, isEnded: () => ended }, give());
    } catch (error) {
      if (!ended) trouble(`what another node asked for was not given out: ${messageOf(error)}`);
    }
    if (!ended) cancel = scheduler.after(relayMs.look, () => void look());
  };
  cancel = scheduler.after(relayMs.look, () => void look());
  return () => {
    ended = true;
    cancel();
  };
}

/** RY3. The name of one that asks. While Redis is away there is nobody to be answered. */
async function asked(ask: Ask): Promise<string | undefined> {
  try {
    return optionalText(await ask((link) => link.call('LPOP', asks)));
  } catch {
    return undefined;
  }
}

interface Answer {
  readonly ask: Ask;
  readonly scheduler: Scheduler;
  readonly key: string;
  readonly isEnded: () => boolean;
}

async function answer(to: Answer, pieces: AsyncIterable<Uint8Array>): Promise<void> {
  await push(to, begun, new Uint8Array(0));
  const hash = createHash('sha256');
  for await (const bytes of pieces) {
    if (!(await room(to))) return;
    hash.update(bytes);
    await push(to, piece, bytes);
  }
  await push(to, end, Buffer.from(hash.digest('hex')));
}

async function push({ ask, key }: Answer, kind: number, bytes: Uint8Array): Promise<void> {
  const element = new Uint8Array(1 + bytes.length);
  element[0] = kind;
  element.set(bytes, 1);
  await ask((link) => link.call('RPUSH', key, element));
  await ask((link) => link.call('EXPIRE', key, keptSeconds));
}

/** RY1. False if nobody takes anything any more. */
async function room({ ask, scheduler, key, isEnded }: Answer): Promise<boolean> {
  for (let waitedMs = 0; waitedMs <= relayMs.silence; waitedMs += relayMs.again) {
    if (isEnded()) return false;
    if (integerOf(await ask((link) => link.call('LLEN', key))) < piecesMax) return true;
    await after(scheduler, relayMs.again);
  }
  return false;
}

async function after(scheduler: Scheduler, ms: number): Promise<void> {
  await new Promise<void>((resolve) => {
    scheduler.after(ms, resolve);
  });
}
