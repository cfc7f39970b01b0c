/**
 * Attackers that are slow, stay half open, flood or come in bursts. Each goes on until the server ends it, and then begins again.
 *
 * The server has so long for each (`boundMs`): what is open for longer is overdue.
 */
import { LIMITS } from '../../protocol/wire/limits.ts';
import { Op, type ValueMap } from '../../protocol/wire/types.ts';
import type { Form } from '../conformance/forms.ts';
import { wsFrame } from '../support/raw-socket.ts';
import { Link } from './link.ts';
import type { AttackFigures } from './fuzz-roles.ts';
import { delay } from './delay.ts';

/** The server looks at its sockets every few seconds, and a busy machine is late. */
const GRACE_MS = 8_000;
/** What both transports allow for the headers of a request: the slower one. */
const HEADERS_MS = 10_000;
const BURST = 200;
const BURST_EVERY_MS = 5_000;
const FLOOD = 2_000;
const AGAIN_MS = 3_000;

interface Ground {
  readonly port: number;
  readonly from: string;
  readonly form: Form;
  /** HELLO of a member. */
  readonly hello: (link: Link) => Uint8Array;
  readonly stopped: () => boolean;
  readonly broken: (what: string) => void;
}

interface Attack {
  readonly name: string;
  /** How long the server lets it; undefined: it ends by itself. */
  readonly boundMs?: number;
  /** Attacks until the link has ended. */
  readonly run: (link: Link, ground: Ground) => Promise<void>;
}

const ATTACKS: readonly Attack[] = [
  { name: 'says nothing', boundMs: HEADERS_MS, run: () => Promise.resolve() },
  {
    name: 'slow upgrade',
    boundMs: HEADERS_MS,
    run: (link) => {
      const request = link.speech.upgradeRequest();
      return drip(link, Buffer.from(request.slice(0, -4)), 150);
    },
  },
  {
    name: 'no HELLO',
    boundMs: LIMITS.helloMs,
    run: async (link) => void (await link.upgrade()),
  },
  {
    name: 'slow HELLO',
    boundMs: LIMITS.helloMs,
    run: async (link, ground) => {
      await link.upgrade();
      await drip(link, wsFrame(ground.hello(link), { opcode: link.speech.opcode }).subarray(0, -1), 300);
    },
  },
  {
    name: 'slow frame',
    boundMs: LIMITS.pingTimeoutMs,
    run: async (link, ground) => {
      await greet(link, ground);
      await drip(link, wsFrame(Buffer.alloc(100_000), { opcode: link.speech.opcode }), 100);
    },
  },
  {
    name: 'fragments without end',
    boundMs: LIMITS.pingTimeoutMs,
    run: async (link, ground) => {
      await greet(link, ground);
      link.send(wsFrame(new Uint8Array(0), { opcode: link.speech.opcode, fin: false }));
      while (!link.isEnded) {
        link.send(wsFrame(new Uint8Array(0), { opcode: 0, fin: false }));
        await delay(50);
      }
    },
  },
  {
    name: 'half open',
    boundMs: LIMITS.pingTimeoutMs,
    run: (link, ground) => greet(link, ground),
  },
  {
    name: 'slow reader',
    boundMs: LIMITS.slowMs + LIMITS.pingTimeoutMs,
    run: async (link, ground) => {
      await greet(link, ground);
      link.socket.pause();
      for (let id = 1; !link.isEnded && !ground.stopped(); id += 1) {
        if (link.socket.writableLength < 65_536) {
          link.message(link.speech.frameOf(Op.REQUEST, id, { m: 'task.list', p: { limit: 200 } }));
        }
        // Looks whether the server has gone without reading what it had said.
        if (link.socket.writableLength >= 65_536 && id % 50 === 0) link.send(wsFrame(new Uint8Array(0), { opcode: 9 }));
        await delay(20);
      }
    },
  },
  {
    name: 'pings of WebSockets',
    boundMs: 1_000,
    run: async (link, ground) => {
      await greet(link, ground);
      const flood = Buffer.concat(Array.from({ length: FLOOD }, () => wsFrame(Buffer.alloc(125), { opcode: 9 })));
      while (!link.isEnded) {
        if (link.socket.writableLength < flood.length) link.send(flood);
        await delay(20);
      }
    },
  },
  {
    name: 'pings of the protocol',
    boundMs: 1_000,
    run: async (link, ground) => {
      await greet(link, ground);
      while (!link.isEnded) {
        for (let at = 0; at < 300; at += 1) link.message(link.speech.frameOf(Op.PING, 0, { now: 1 }));
        await delay(500);
      }
    },
  },
];

/** Plays all of them at once, each again and again, until the ground says stop; then waits for none. */
export async function playAttacks(ground: Ground): Promise<{ readonly [name: string]: AttackFigures }> {
  const figures: { [name: string]: AttackFigures } = {};
  await Promise.all([
    ...ATTACKS.map(async (attack) => (figures[attack.name] = await repeat(attack, ground))),
    bursts(ground).then((of) => (figures['bursts'] = of)),
  ]);
  return figures;
}

async function repeat(attack: Attack, ground: Ground): Promise<AttackFigures> {
  const figures = { begun: 0, ended: 0, overdue: 0, longestMs: 0 };
  while (!ground.stopped()) {
    const { port, from, form, broken } = ground;
    const link = new Link({ port, from, form, broken });
    const beganAt = performance.now();
    figures.begun += 1;
    const attacking = attack.run(link, ground);
    const outcome = await over(link, ground, attack.boundMs);
    figures.longestMs = Math.max(figures.longestMs, Math.round(performance.now() - beganAt));
    if (outcome === 'ended') figures.ended += 1;
    if (outcome === 'overdue') figures.overdue += 1;
    await link.reset();
    await attacking;
    // One that is ended at once does not begin again at once: this is no flood of connections.
    for (let waited = 0; waited < AGAIN_MS && !ground.stopped(); waited += 100) await delay(100);
  }
  return figures;
}

async function over(link: Link, ground: Ground, boundMs = 0): Promise<'ended' | 'overdue' | 'stopped'> {
  const until = performance.now() + boundMs + GRACE_MS;
  while (!link.isEnded) {
    if (ground.stopped()) return 'stopped';
    if (performance.now() > until) return 'overdue';
    await delay(25);
  }
  return 'ended';
}

/** Many at once that are upgraded, say nothing and break off. */
async function bursts(ground: Ground): Promise<AttackFigures> {
  let begun = 0;
  let ended = 0;
  while (!ground.stopped()) {
    const { port, from, form, broken } = ground;
    const links = Array.from({ length: BURST }, () => new Link({ port, from, form, broken }));
    begun += links.length;
    await Promise.all(links.map((link) => link.upgrade()));
    ended += links.filter((link) => link.isEnded).length;
    await Promise.all(links.map((link) => link.reset()));
    for (let waited = 0; waited < BURST_EVERY_MS && !ground.stopped(); waited += 100) await delay(100);
  }
  return { begun, ended, overdue: 0, longestMs: 0 };
}

async function greet(link: Link, ground: Ground): Promise<void> {
  await link.upgrade();
  link.message(ground.hello(link));
}

async function drip(link: Link, data: Buffer, everyMs: number): Promise<void> {
  for (const byte of data) {
    if (link.isEnded) return;
    link.send(Uint8Array.of(byte));
    await delay(everyMs);
  }
}

export function helloBody(token: string, more: ValueMap = {}): ValueMap {
  return { v: [1, 0, 0], client: { name: 'fuzz', version: '1' }, auth: { token }, ...more };
}
