/**
 * Draws runs of documents: few of them, which agents and people create, read, edit by sections and as a whole, lock, resolve and delete at the
 * same time, from versions that are old or not, with few versions and conflicts that are kept; and the faults of every run.
 */
import { LIMITS } from '../../protocol/wire/limits.ts';
import type { DocumentResolution } from '../../protocol/wire/documents.ts';
import type { Action, ClientPlan, Plan } from './plan.ts';
import { Random } from './random.ts';
import { drawTuning, TYPES } from './swarm.ts';
import { drawCare, type CareJob } from './swarm-document-care.ts';
import { drawFaults } from './swarm-faults.ts';

const NAMES = ['plan', 'notes', 'spec'] as const;
const RESOLUTIONS = ['ours', 'theirs', 'merged', 'manual'] as const;

export type EditHow =
  /** A new text of one section, by its id. */
  | 'section'
  /** A new text of all, in which one section is another. */
  | 'whole'
  /** Sections are more, fewer, in another order, or one has another heading. */
  | 'add'
  | 'remove'
  | 'move'
  | 'rename';

export type EditForm = 'open' | 'underlined';

/** What a program does with one document. Places of sections count from the first, and begin again behind the last. */
export type DocumentJob =
  | { readonly what: 'create'; readonly sections: number; readonly type: 'markdown' | 'text'; readonly mark: string }
  | {
      readonly what: 'edit';
      readonly how: EditHow;
      readonly place: number;
      readonly mark: string;
      /** So many of the oldest markers of the section are left out. */
      readonly drops: number;
      /** Between the reading and the writing. */
      readonly thinkMs: number;
      /** It locks what it edits, names the token or not, and gives the lock back or not. */
      readonly lock?: { readonly of: 'section' | 'document'; readonly token: boolean; readonly keep: boolean };
      /** How the section is written: its last paragraph is not closed by an empty line, or its heading is underlined. */
      readonly form?: EditForm;
      /** By the methods of sections, as far as it is about one. */
      readonly by?: 'section';
      /** A refused edit is resolved, after a while. */
      readonly resolve?: { readonly how: DocumentResolution; readonly afterMs: number };
    }
  | { readonly what: 'read'; readonly back: number; readonly place?: number }
  | { readonly what: 'resolve'; readonly how: DocumentResolution; readonly mark: string }
  | { readonly what: 'history' | 'conflicts' | 'list' | 'delete' }
  | CareJob;

export type DocumentAsk = { readonly do: 'document'; readonly name: string; readonly job: DocumentJob };

export function drawDocumentPlan(seed: number): Plan {
  const random = new Random(`documents ${seed}`);
  const clients = drawWriters(random.fork('clients'));
  const healAt = random.fork('length').between(8_000, 25_000);
  const tuning = drawTuning(random.fork('tuning'));
  const faults = drawFaults(random.fork('faults'), { clients, until: healAt, keys: false });
  const asks = drawAsks(random.fork('asks'), { clients, until: healAt });
  const cares = drawCares(random.fork('care'), { clients, until: healAt, asks });
  const actions = [...cares, ...faults, ...drawSweeps(random.fork('sweeps'), healAt)].toSorted((a, b) => a.at - b.at);
  const back = actions.reduce((sum, action) => (action.do === 'jump' && action.ms < 0 ? sum - action.ms : sum), 0);
  const kept = random.fork('kept');
  const bounds = {
    ...tuning.bounds,
    documentVersionsKept: kept.pick([2, 4, LIMITS.documentVersionsKept]),
    documentConflictsMax: kept.pick([1, 3, LIMITS.documentConflictsMax]),
  };
  return {
    format: 1,
    seed,
    tuning: { ...tuning, bounds, keys: false },
    tenants: ['default'],
    clients,
    actions,
    healAt,
    settleMs: 900_000 + back,
  };
}

export function drawWriters(random: Random): ClientPlan[] {
  const agents = Array.from({ length: random.between(1, 4) }, (_, n): ClientPlan => {
    const name = `a${n + 1}`;
    const agent = { name, capabilities: [...TYPES], capacity: random.between(1, 3) };
    return { name, tenant: 'default', role: 'agent', agent, subs: listens(random), startAt: random.between(0, 1_500) };
  });
  const people = Array.from({ length: random.between(1, 3) }, (_, n): ClientPlan => {
    const role = random.pick(['member', 'member', 'admin'] as const);
    return { name: `s${n + 1}`, tenant: 'default', role, subs: listens(random), startAt: random.between(0, 1_500) };
  });
  const viewer: ClientPlan = { name: 'v', tenant: 'default', role: 'viewer', subs: listens(random), startAt: 500 };
  return [...agents, ...people, ...(random.chance(0.3) ? [viewer] : [])];
}

/** Often enough that one finds what another has found before. */
function drawSweeps(random: Random, until: number): Action[] {
  if (random.chance(0.4)) return [];
  return Array.from({ length: random.between(2, 15) }, (): Action => ({
    at: random.between(3_000, until),
    do: 'sweep',
  }));
}

const listens = (random: Random): readonly string[] => (random.chance(0.3) ? ['document.*'] : []);

function drawAsks(
  random: Random,
  { clients, until }: { readonly clients: readonly ClientPlan[]; readonly until: number },
): Action[] {
  const names = NAMES.slice(0, random.between(1, NAMES.length));
  const actions: Action[] = [];
  const ask = (at: number, name: string, job: DocumentJob): void => {
    actions.push({ at, client: random.pick(clients).name, do: 'document', name, job });
  };
  const create = (n: string): DocumentJob => ({
    what: 'create',
    sections: random.between(1, 5),
    type: random.chance(0.85) ? 'markdown' : 'text',
    mark: `m${n}`,
  });
  for (const [i, name] of names.entries()) ask(random.between(1_600, 3_000), name, create(String(i + 1)));
  const mixture = { slow: random.spread(5, 3_000), locks: random.chance(0.5), structure: random.chance(0.5) };
  const count = random.spread(15, 90);
  for (let n = 10; n < count + 10; n += 1) {
    const at = random.between(2_000, until);
    ask(at, random.pick(names), drawJob(random, { mark: `m${n}`, ...mixture }));
  }
  if (random.chance(0.3)) {
    const name = random.pick(names);
    const at = random.between(3_000, until);
    ask(at, name, { what: 'delete' });
    ask(at + random.spread(10, 5_000), name, create('9'));
  }
  for (let n = random.between(0, 5); n > 0; n -= 1) actions.push(drawWork(random, { clients, until, mark: `t${n}` }));
  return actions.filter(({ at }) => at <= until);
}

/** The same requests, and in half of the runs others between them. */
function drawCares(
  random: Random,
  of: { readonly clients: readonly ClientPlan[]; readonly until: number; readonly asks: readonly Action[] },
): Action[] {
  const { clients, until, asks } = of;
  if (random.chance(0.5)) return [...asks];
  const forms = random.chance(0.5);
  const actions: Action[] = asks.map((action) => {
    const form = forms && random.chance(0.5) ? random.pick(['open', 'underlined'] as const) : undefined;
    return ofSections(action, { by: random.chance(0.5), form });
  });
  const names = [...new Set(asks.flatMap((action) => (action.do === 'document' ? [action.name] : [])))];
  if (names.length === 0) return actions;
  const ask = (at: number, job: DocumentJob): void => {
    actions.push({ at, client: random.pick(clients).name, do: 'document', name: random.pick(names), job });
  };
  const count = random.spread(8, 40);
  for (let n = 1; n <= count; n += 1) ask(random.between(2_500, until), drawCare(random, n));
  if (random.chance(0.4)) {
    const at = random.between(3_000, until);
    ask(at, { what: 'archive' });
    for (let n = names.length; n > 0; n -= 1) ask(at + random.spread(50, 4_000), { what: 'unarchive' });
  }
  return actions.filter(({ at }) => at <= until);
}

function ofSections(action: Action, how: { readonly by: boolean; readonly form: EditForm | undefined }): Action {
  if (action.do !== 'document' || action.job.what !== 'edit') return action;
  const by = how.by ? { by: 'section' as const } : {};
  return { ...action, job: { ...action.job, ...by, ...(how.form === undefined ? {} : { form: how.form }) } };
}

interface Mixture {
  readonly mark: string;
  readonly slow: number;
  readonly locks: boolean;
  readonly structure: boolean;
}

function drawJob(random: Random, mixture: Mixture): DocumentJob {
  const { mark } = mixture;
  const kind = random.below(100);
  if (kind < 12) {
    const place = random.chance(0.3) ? { place: random.below(5) } : {};
    return { what: 'read', back: random.chance(0.5) ? 0 : random.below(6), ...place };
  }
  if (kind < 18) return { what: 'resolve', how: random.pick(RESOLUTIONS), mark };
  if (kind < 26) return { what: random.pick(['history', 'conflicts', 'conflicts', 'list'] as const) };
  return drawEdit(random, mixture);
}

function drawEdit(random: Random, { mark, slow, locks, structure }: Mixture): DocumentJob {
  const hows = structure
    ? (['section', 'section', 'whole', 'whole', 'add', 'remove', 'move', 'rename'] as const)
    : (['section', 'section', 'whole'] as const);
  const lock = {
    of: random.pick(['section', 'section', 'document'] as const),
    token: random.chance(0.5),
    keep: random.chance(0.2),
  };
  return {
    what: 'edit',
    how: random.pick(hows),
    place: random.below(5),
    mark,
    drops: random.chance(0.3) ? random.between(1, 4) : 0,
    thinkMs: random.spread(1, slow),
    ...(locks && random.chance(0.4) ? { lock } : {}),
    ...(random.chance(0.7) ? { resolve: { how: random.pick(RESOLUTIONS), afterMs: random.spread(1, 2_000) } } : {}),
  };
}

/** Something else that goes on. */
export function drawWork(
  random: Random,
  from: { readonly clients: readonly ClientPlan[]; readonly until: number; readonly mark: string },
): Action {
  const people = from.clients.filter(({ role }) => role === 'member' || role === 'admin');
  const work = { ms: random.spread(1, 3_000), reports: 0, end: 'complete', failures: 0, stopMs: 0 } as const;
  return {
    at: random.between(1_600, from.until),
    client: random.pick(people).name,
    do: 'create',
    task: { mark: from.mark, type: random.pick(TYPES), work },
  };
}
