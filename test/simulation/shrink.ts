/**
 * Makes a failing plan small, as long as the same invariant is violated.
 *
 * Actions are left out by halves, then quarters and so on (Zeller's ddmin without the test of subsets), then clients; what is
 * left is made plain: its parameters, its clients, the tuning, the length of the run. Again and again, until nothing changes
 * or so many runs were made. Leaving something out changes what is drawn for the order of the rest, so a step that takes
 * much away is also tried under other seeds.
 */
import type { Action, ClientPlan, Plan, TaskPlan, Tuning, Work } from './plan.ts';
import { EVERY_LOOK, simulate } from './simulation.ts';

export interface ShrinkOptions {
  readonly invariants: readonly string[];
  readonly runsMax: number;
  /** Tells whether time is up; default: never. */
  readonly over?: () => boolean;
}

/** Other seeds under which a large step is tried. */
const OTHER_SEEDS = 2;

export function shrink(plan: Plan, options: ShrinkOptions): Plan {
  const shrinker = new Shrinker(plan, options);
  for (let before: Plan | undefined; before !== shrinker.best && !shrinker.over;) {
    before = shrinker.best;
    shrinker.round();
  }
  return shrinker.best;
}

class Shrinker {
  best: Plan;
  readonly #options: ShrinkOptions;
  #runs = 0;

  constructor(plan: Plan, options: ShrinkOptions) {
    this.best = plan;
    this.#options = options;
  }

  get over(): boolean {
    return this.#runs >= this.#options.runsMax || this.#options.over?.() === true;
  }

  round(): void {
    this.#shorter();
    this.#fewerActions();
    this.#fewerClients();
    this.#plainerActions();
    this.#plainerClients();
    this.#plainerTuning();
  }

  /** Takes the candidate if it fails in the same way. */
  #take(candidate: Plan, otherSeeds = 0): boolean {
    for (let i = 0; i <= otherSeeds; i += 1) {
      if (this.over) return false;
      this.#runs += 1;
      const plan = i === 0 ? candidate : { ...candidate, seed: candidate.seed + i };
      const { violations } = simulate(plan, EVERY_LOOK);
      if (!violations.some(({ invariant }) => this.#options.invariants.includes(invariant))) continue;
      this.best = plan;
      return true;
    }
    return false;
  }

  /** The faults stop earlier, and what would come later does not. */
  #shorter(): void {
    const last = this.best.actions.at(-1)?.at ?? 0;
    for (const healAt of [last + 1, Math.ceil(last / 2)]) {
      if (healAt >= this.best.healAt || healAt < 1) continue;
      const actions = this.best.actions.filter(({ at }) => at <= healAt);
      this.#take({ ...this.best, healAt, actions });
    }
  }

  #fewerActions(): void {
    const first = Math.ceil(this.best.actions.length / 2);
    for (let size = first; size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
      for (let at = 0; at < this.best.actions.length && !this.over;) {
        const without = { ...this.best, actions: this.best.actions.toSpliced(at, size) };
        if (!this.#take(without, size > 1 || this.best.actions.length < 20 ? OTHER_SEEDS : 0)) at += size;
      }
    }
  }

  #fewerClients(): void {
    for (const { name, tenant, operator } of this.best.clients) {
      // Who makes the tenants stays as long as others are in one: nobody could ever connect there.
      if (operator === true && this.best.clients.some((other) => other.tenant !== tenant)) continue;
      const clients = this.best.clients.filter((client) => client.name !== name);
      const actions = this.best.actions.filter((action: Action) => action.client !== name);
      this.#take({ ...this.best, clients, actions }, OTHER_SEEDS);
    }
  }

  #plainerActions(): void {
    for (let i = 0; i < this.best.actions.length; i += 1) {
      // Each of them is made of what the one before it left.
      for (let k = 0; ; k += 1) {
        const action = this.best.actions[i];
        const plainer = action === undefined ? undefined : plainerAction(action)[k];
        if (plainer === undefined) break;
        if (same(plainer, action)) continue;
        if (this.#take({ ...this.best, actions: this.best.actions.with(i, plainer) })) k -= 1;
      }
    }
  }

  #plainerClients(): void {
    for (let i = 0; i < this.best.clients.length; i += 1) {
      for (let k = 0; ; k += 1) {
        const client = this.best.clients[i];
        const plainer = client === undefined ? undefined : plainerClient(client)[k];
        if (plainer === undefined) break;
        if (!same(plainer, client)) this.#take({ ...this.best, clients: this.best.clients.with(i, plainer) });
      }
    }
  }

  /** Bounds of the protocol as they are, a quick log, a quick network: whatever of it does not matter. */
  #plainerTuning(): void {
    const plain: Partial<Tuning> = {
      ringPushes: 100_000,
      followUps: 256,
      latencyMs: [0, 0],
      commitMs: 0,
      replyMs: 0,
      tailMs: 0,
      tailBatch: 256,
      storeMs: 0,
      storedBytes: false,
      bounds: {},
    };
    const { tuning } = this.best;
    if (!same(tuning, { ...tuning, ...plain })) this.#take({ ...this.best, tuning: { ...tuning, ...plain } });
    for (const [name, value] of Object.entries(plain)) {
      const changed = { ...this.best.tuning, [name]: value };
      if (!same(changed, this.best.tuning)) this.#take({ ...this.best, tuning: changed });
    }
    for (const name of Object.keys(this.best.tuning.bounds)) {
      const bounds = Object.fromEntries(Object.entries(this.best.tuning.bounds).filter(([key]) => key !== name));
      this.#take({ ...this.best, tuning: { ...this.best.tuning, bounds } });
    }
  }
}

const IDLE: Work = { ms: 1, reports: 0, end: 'complete', failures: 0, stopMs: 0 };
/** What a task of a plan is not without. */
const NEEDED = ['mark', 'type', 'work'];

/** The same action with less to it, the plainest first. */
function plainerAction(action: Action): Action[] {
  if (action.do === 'batch') {
    const fewer = action.tasks.map((_, i) => ({ ...action, tasks: action.tasks.toSpliced(i, 1) }));
    const single: Action[] = action.tasks.map((task) => ({ at: action.at, client: action.client, do: 'create', task }));
    return [...single, ...fewer.filter(({ tasks }) => tasks.length > 0)];
  }
  if (action.do !== 'create') return [];
  const { key: _, deadlineMs: __, durably: ___, ...bare } = { key: 0, deadlineMs: 0, durably: 0, ...action };
  const plain: Action = { ...bare, do: 'create', task: { mark: action.task.mark, type: action.task.type, work: IDLE } };
  return [plain, { ...bare, do: 'create' }, ...plainerTasks(action.task).map((task) => ({ ...action, task }))];
}

function plainerTasks(task: TaskPlan): TaskPlan[] {
  const without = Object.keys(task)
    .filter((key) => !NEEDED.includes(key))
    .map((name) => Object.fromEntries(Object.entries(task).filter(([key]) => key !== name)));
  const worked = Object.entries(IDLE).map(([key, value]) => ({ ...task, work: { ...task.work, [key]: value } }));
  return [...without, ...worked].map((one) => ({ mark: task.mark, type: task.type, work: task.work, ...one }));
}

function plainerClient(client: ClientPlan): ClientPlan[] {
  const { name, tenant, role, operator, agent, startAt } = client;
  const bare: ClientPlan = { name, tenant, role, subs: [], startAt, ...(operator === undefined ? {} : { operator }) };
  if (agent === undefined) return [{ ...bare, startAt: 0 }, bare];
  const names = agent.capabilities.map((one) => (typeof one === 'string' ? one : one.name));
  const plain = { name: agent.name, capabilities: names };
  return [
    { ...bare, startAt: 0, agent: plain },
    { ...bare, agent: plain },
    { ...bare, agent },
  ];
}

function same(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
