/**
 * Takes over the log of a tenant on the server that a connection reached, after it was compared with this node's copy.
 *
 * Owns: whether a log may be opened, the repair of a lost end. Does not own: connections, the copy (local-tail.ts).
 *
 * RC1 Of two histories of which one continues the other the longer one counts: entries that Redis lost and this node has
 *    are put back as they were, before anything new is appended.
 * RC2 Histories that differ are a FORK, a log that is gone while this node knows of entries is TRUNCATED: nothing is
 *    written then, and an operator decides.
 * RC3 Another server process, or a repair, begins a new epoch: tokens that were given out for what may be lost are never
 *    used again. It is beyond every epoch that this node knows of: Redis may have lost that one too.
 * RC4 Every step is conditional on what was seen before it. If something changed meanwhile all is looked at anew.
 * RC5 A log that another node serves and that was heard of lately is left to it, unless both share it. Nodes that share it
 *    are not fenced by a takeover, but for the process before in the same data directory.
 * RC7 After a change of the server process nodes that share a log tell how far their copies go, and the longest is put back before
 *    any of them serves. One that tells nothing is waited for 5 s.
 * RC8 What a node has read and the others went on without is told to the entry: it is lost.
 * RC6 A log whose state went over to a version that this build does not know is left to those that do.
 */
import type { Entropy } from '../../base/scheduler.ts';
import { chainStart } from '../envelope.ts';
import { LogFault } from '../port.ts';
import { elementOf, idOf, linkNext, linkStart, type Element, type Place } from './element.ts';
import type { Keys } from './keys.ts';
import type { Argument, Link } from './link.ts';
import { originOf, type LocalTail } from './local-tail.ts';
import { integerOf, listOf, optionalText, pairsOf, textOf } from './replies.ts';
import { runScript, SCRIPTS, type Script } from './scripts.ts';

/** A node that said nothing for so long may be replaced by another one. */
export const ownedMs = 15_000;
const portionEntries = 512;
const portionBytes = 1024 * 1024;
const triesMax = 20;
/** RC7 */
const gatherMs = 5_000;
const againMs = 50;

export interface AttachParts {
  readonly link: Link;
  readonly tenant: string;
  readonly keys: Keys;
  readonly local: LocalTail;
  /** Name of this process. */
  readonly node: string;
  /** Its data directory, the same after a restart. */
  readonly home: string;
  /** Others may serve the tenant too. */
  readonly shared: boolean;
  /** Up to which version it can decide. */
  readonly engine: number;
  /** Drawn for this connection. */
  readonly pass: string;
  /** The log that this node has open already; undefined: whatever is there, or a new one. */
  readonly known: string | undefined;
  /** And its epoch. */
  readonly epoch: number | undefined;
  /** Of the identity of a log that is made. */
  readonly entropy: Entropy;
  readonly pause: (ms: number) => Promise<void>;
  /** Entries were put back. */
  readonly onRepaired: (from: number, to: number) => void;
}

export interface Attached {
  readonly logId: string;
  readonly epoch: number;
  readonly base: Place;
  readonly head: { readonly seq: number; readonly ts: number; readonly link: string };
}

interface Meta extends Attached {
  readonly run: string;
}

/** RC4. Of one instant. */
interface Seen {
  readonly meta: Meta;
  readonly newest: Element | undefined;
  readonly length: number;
}

function modeOf({ shared }: AttachParts): string {
  return shared ? 'shared' : 'alone';
}

/** Rejects with a LogFault, or with the error of the connection. */
export async function attach(parts: AttachParts): Promise<Attached> {
  let repaired = false;
  for (let attempt = 0; attempt < triesMax; attempt += 1) {
    const seen = await lookAt(parts.link, parts.keys);
    if (seen === undefined) {
      const made = await create(parts);
      if (made !== undefined) return made;
      continue;
    }
    const { meta } = seen;
    const wrong = endFault(parts, seen);
    if (wrong !== undefined) throw wrong;
    if (parts.shared && meta.run !== parts.link.runId) {
      await turn(parts);
      // Somebody else may have taken it over meanwhile.
      const now = await lookAt(parts.link, parts.keys);
      if (now === undefined || now.meta.run !== meta.run || now.meta.head.seq !== meta.head.seq) continue;
    }
    if (await isBehind(parts, meta)) {
      // The log is claimed as it is first: nobody else appends or repairs meanwhile.
      if (!(await claim(parts, meta, { run: meta.run, epoch: meta.epoch }))) continue;
      repaired = (await repair(parts, meta)) || repaired;
      continue;
    }
    const same = meta.run === parts.link.runId && !repaired;
    const epoch = same ? meta.epoch : newestEpoch(parts, meta) + 1; // RC3
    if (await claim(parts, meta, { run: parts.link.runId, epoch })) return { ...meta, epoch };
  }
  throw fault(parts, 'LOCKED', `somebody else goes on changing it; ${triesMax} tries to take it over failed`);
}

function newestEpoch({ local, epoch = 0 }: AttachParts, meta: Meta): number {
  return Math.max(meta.epoch, local.head?.epoch ?? 0, epoch);
}

async function run(parts: AttachParts, script: Script, args: readonly Argument[]): Promise<readonly unknown[]> {
  return listOf(await runScript(parts.link, { script, keys: [parts.keys.log, parts.keys.meta] }, args));
}

/** RC7 */
async function turn(parts: AttachParts): Promise<void> {
  const { node, link, local, known } = parts;
  const args = [link.runId, node, String(local.head?.seq ?? 0), known === undefined ? '0' : '1', String(gatherMs)];
  for (;;) {
    const [said] = await run(parts, SCRIPTS.gather, args);
    if (textOf(said) === 'TURN') return;
    await parts.pause(againMs);
  }
}

async function create(parts: AttachParts): Promise<Attached | undefined> {
  const { local, link, node, pass, home } = parts;
  if (local.head !== undefined || parts.known !== undefined) {
    const what = `it is gone from Redis, and this node knows of ${local.head?.seq ?? 0} entries`; // RC2
    throw fault(
      parts,
      'TRUNCATED',
      `${what}. Restore Redis from a backup; the node repairs what is missing at its end`,
    );
  }
  const logId = Buffer.from(parts.entropy(16)).toString('hex');
  const start: Place = { seq: 0, epoch: 0, ts: 0, link: linkStart(logId), chain: chainStart(logId) };
  const chain = Buffer.from(start.chain).toString('hex');
  const owner = [link.runId, node, pass, home, modeOf(parts), String(parts.engine)];
  const [said] = await run(parts, SCRIPTS.create, [logId, start.link, chain, ...owner]);
  const outcome = textOf(said);
  if (outcome === 'LEFTOVER') throw fault(parts, 'CORRUPT', 'Redis has entries of it, but not the record of its ends');
  return outcome === 'MADE' ? { logId, epoch: 1, base: start, head: { seq: 0, ts: 0, link: start.link } } : undefined;
}

/** The stream ends where the record says: a damaged append-only file is replayed by Redis without a word. */
function endFault(parts: AttachParts, { meta, newest: element, length }: Seen): LogFault | undefined {
  const { base, head } = meta;
  const ends = element === undefined ? head.seq === base.seq : element.seq === head.seq && element.link === head.link;
  if (!ends) {
    return fault(
      parts,
      'CORRUPT',
      `by its record it ends at entry ${head.seq}, by its entries at ${element?.seq ?? base.seq}`,
    );
  }
  if (length === head.seq - base.seq) return undefined;
  return fault(parts, 'CORRUPT', `${head.seq - base.seq} entries should be there, and ${length} are`);
}

/** Whether this node has entries that Redis lost. */
async function isBehind(parts: AttachParts, meta: Meta): Promise<boolean> {
  const { local } = parts;
  if (parts.known !== undefined && parts.known !== meta.logId) {
    throw fault(parts, 'WRONG_LOG', 'Redis has another log of this tenant now than the one that is open');
  }
  if (local.head === undefined) return false;
  if (local.head.origin !== originOf(meta.logId)) {
    throw fault(parts, 'WRONG_LOG', 'this node has the copy of another log of this tenant: use another data directory');
  }
  if (local.head.seq > meta.head.seq) return true;
  const there = await linkAt(parts, meta, local.head);
  if (there !== undefined && there !== local.head.link) {
    const first = await lostFrom(parts, meta, local.head.seq); // RC2, RC8
    const what = `the entries ${first} to ${local.head.seq} that this node read are not in Redis, which went on without them`;
    throw fault(parts, 'FORK', `${what}: what they say is lost`);
  }
  return false;
}

/** The first entry of this node's copy that Redis does not have. */
async function lostFrom(parts: AttachParts, meta: Meta, head: number): Promise<number> {
  let from = Math.max(parts.local.first, meta.base.seq + 1);
  let to = head;
  while (from < to) {
    const middle = Math.floor((from + to) / 2);
    const kept = await parts.local.at(middle);
    if (kept !== undefined && (await linkAt(parts, meta, kept)) === kept.link) from = middle + 1;
    else to = middle;
  }
  return to;
}

/** The link at an entry that this node has; undefined if it was trimmed. */
async function linkAt(parts: AttachParts, { base, head }: Meta, known: Element): Promise<string | undefined> {
  if (known.seq === head.seq) return head.link;
  if (known.seq === base.seq) return base.link;
  if (known.seq < base.seq) return undefined;
  const id = idOf(known);
  const [found] = listOf(await parts.link.call('XRANGE', parts.keys.log, id, id));
  return found === undefined ? '' : elementOf(found).link;
}

/** False if something changed meanwhile. */
async function claim(parts: AttachParts, seen: Meta, next: { run: string; epoch: number }): Promise<boolean> {
  const before = [seen.run, String(seen.epoch), String(seen.head.seq), seen.head.link];
  const known = parts.known === undefined ? '0' : '1';
  const after = [next.run, String(next.epoch), parts.node, parts.pass, String(ownedMs)];
  const who = [parts.home, modeOf(parts), known];
  const { epoch = 0, seq = 0, link = '' } = parts.local.head ?? {};
  const copy = [String(epoch), String(seq), link, String(parts.engine), String(seen.base.seq)];
  const [said, owner, silentMs] = await run(parts, SCRIPTS.claim, [...before, ...after, ...who, ...copy]);
  if (textOf(said) === 'FENCED') throw fault(parts, 'LOCKED', 'others took this node for dead: it must start anew');
  if (textOf(said) === 'OLD') throw fault(parts, 'VERSION', tooOld(parts.engine, textOf(owner))); // RC6
  if (textOf(said) !== 'OWNED') return textOf(said) === 'OK';
  const heard = `node ${textOf(owner)} serves it and was heard of ${textOf(silentMs)} ms ago`; // RC5
  throw fault(parts, 'LOCKED', `${heard}. Stop that node first; when it has died, wait ${ownedMs / 1_000} s`);
}

/** RC1. Puts back the entries after the end of Redis. */
async function repair(parts: AttachParts, meta: Meta): Promise<boolean> {
  const { local } = parts;
  let { seq, link } = meta.head;
  const to = local.head?.seq ?? 0;
  while (seq < to) {
    const portion = portionOf(await local.range(seq + 1, portionEntries));
    const [next] = portion;
    if (next === undefined) {
      throw fault(parts, 'TRUNCATED', `it ends at entry ${seq}, and this node has only those after ${local.first - 1}`);
    }
    if (linkNext(link, next) !== next.link) {
      throw fault(parts, 'FORK', `entry ${next.seq} of this node does not continue entry ${seq} in Redis`); // RC2
    }
    const entries = portion.flatMap((one) => [
      String(one.epoch),
      String(one.seq),
      String(one.ts),
      one.link,
      one.packed,
    ]);
    const [said] = await run(parts, SCRIPTS.repair, [meta.run, String(seq), link, ...entries]);
    if (textOf(said) === 'BROKEN')
      throw fault(parts, 'CORRUPT', `this node's copy of it is damaged after entry ${seq}`);
    if (textOf(said) !== 'OK') return false;
    const last = portion.at(-1) ?? next;
    parts.onRepaired(next.seq, last.seq);
    ({ seq, link } = last);
  }
  return true;
}

function portionOf(elements: readonly Element[]): readonly Element[] {
  let bytes = 0;
  const end = elements.findIndex((element) => {
    bytes += element.packed.length;
    return bytes > portionBytes;
  });
  return end < 0 ? elements : elements.slice(0, Math.max(1, end));
}

/** What Redis says of a tenant's log, or undefined if it has none. */
async function lookAt(link: Link, keys: Keys): Promise<Seen | undefined> {
  const script = SCRIPTS.look;
  const [meta, newest, length] = listOf(await runScript(link, { script, keys: [keys.log, keys.meta] }, []));
  const fields = pairsOf(meta);
  if (fields.size === 0) return undefined;
  const [element] = listOf(newest);
  return {
    meta: metaIn(fields, keys),
    newest: element === undefined ? undefined : elementOf(element),
    length: integerOf(length),
  };
}

function metaIn(fields: ReturnType<typeof pairsOf>, keys: Keys): Meta {
  const text = (name: string): string => textOf(fields.get(name));
  const integer = (name: string): number => integerOf(fields.get(name));
  const baseLink = optionalText(fields.get('baseLink'));
  if (baseLink === undefined) throw new LogFault('CORRUPT', `the hash ${keys.meta} in Redis is not one of Muster`);
  return {
    logId: text('logId'),
    run: text('run'),
    epoch: integer('epoch'),
    head: { seq: integer('seq'), ts: integer('ts'), link: text('link') },
    base: {
      seq: integer('baseSeq'),
      epoch: integer('baseEpoch'),
      ts: integer('baseTs'),
      link: baseLink,
      chain: new Uint8Array(Buffer.from(text('baseChain'), 'hex')),
    },
  };
}

function tooOld(engine: number, needed: string): string {
  return `it goes on under version ${needed}, and this build knows ${engine}: start a later one`;
}

function fault(parts: AttachParts, name: LogFault['fault'], what: string): LogFault {
  return new LogFault(name, `log of tenant ${parts.tenant}: ${what}`);
}
