/**
 * One run: carries out a plan from its first action to the judgement of its history.
 *
 * Owns: the order of the phases, who is let come back when. Does not own: what an action does (asks.ts, faults.ts).
 *
 *   faults and work ──healAt──► everybody comes back, work goes on ──quiet or settleMs──► questions ──► replays ──► verdict
 */
import { hash } from 'node:crypto';
import { LIMITS } from '../../protocol/wire/limits.ts';
import { PEER_LIMITS } from '../../protocol/wire/peer-limits.ts';
import type { Principal } from '../../src/node/port.ts';
import { carryOut } from './asks.ts';
import { Checker } from './checker/checker.ts';
import type { CheckOptions, HistoryEvent } from './checker/history.ts';
import { SimClient, type Surroundings } from './client.ts';
import { RecordingDisk } from './disk.ts';
import { isFault, makeFault } from './faults.ts';
import { KeyMaster } from './keys.ts';
import { Marks, type Mark } from './marks.ts';
import { Network } from './network.ts';
import { Observer } from './observer.ts';
import { Oracle } from './oracle.ts';
import type { Action, Plan, TaskPlan } from './plan.ts';
import { isQuiet, stuckWaits, unrest } from './quiet.ts';
import type { Recorded } from './perturb/recorded.ts';
import { Random } from './random.ts';
import { Recorder } from './recorder.ts';
import { Lane, VirtualTime } from './scheduler.ts';
import { SimServer } from './server.ts';
import { ServerView } from './server-view.ts';
import { askWhatBecame } from './told/asker.ts';
import { Stories } from './told/stories.ts';

export interface Found {
  readonly invariant: string;
  readonly message: string;
  /** Indices into the history. */
  readonly events: readonly number[];
}

export interface Outcome {
  readonly seed: number;
  readonly looks: Looks;
  readonly steps: number;
  readonly virtualMs: number;
  readonly faults: ReadonlyMap<string, number>;
  readonly marks: ReadonlyMap<Mark, number>;
  readonly violations: readonly Found[];
  readonly events: readonly HistoryEvent[];
  /** Everything that happened, in one hash: the same plan gives the same. Computed when it is asked for. */
  readonly trace: () => string;
  /** What was logged, for other processes to replay. */
  readonly recorded: () => Recorded;
  readonly quiet: boolean;
}

/** The calendar at the beginning of every run. */
const START = 1_700_000_000_000;
/** The reference and the replays are slow: they follow so large a share of the runs, drawn by the seed. */
const REFERENCE_SHARE = 0.3;
const REPLAY_SHARE = 0.25;
/** Of the runs that are replayed. */
const PERTURBED_SHARE = 0.15;
/** At the end of so many runs the server is asked what became of their tasks. */
const ASKED_SHARE = 0.15;
/** How often it is looked whether everything has ended. */
const LOOK_MS = 500;
/** How long nothing happens before the end. */
const REST_MS = 3_000;

/** Who looks at a run: the checker, the reference, the replays, of which some go other ways. */
export interface Looks {
  readonly checked: boolean;
  readonly judged: boolean;
  readonly replayed: boolean;
  readonly perturbed: boolean;
  /** At the end the server is asked what became of the tasks. */
  readonly asked: boolean;
}

export const EVERY_LOOK: Looks = { checked: true, judged: true, replayed: true, perturbed: true, asked: true };

export function simulate(plan: Plan, looks: Looks = looksAt(plan.seed)): Outcome {
  const restore = bound(plan.tuning.bounds);
  try {
    return new Simulation(plan, needsLocks(plan) ? { ...looks, judged: false } : looks).run();
  } finally {
    restore();
  }
}

/** The reference knows nothing of tasks that wait for locks. */
function needsLocks({ actions }: Plan): boolean {
  const needy = ({ locks }: TaskPlan): boolean => locks !== undefined;
  return actions.some((one) => (one.do === 'create' ? needy(one.task) : one.do === 'batch' && one.tasks.some(needy)));
}

function looksAt(seed: number): Looks {
  return {
    checked: true,
    judged: new Random(`reference ${seed}`).chance(REFERENCE_SHARE),
    replayed: new Random(`replay ${seed}`).chance(REPLAY_SHARE),
    perturbed: new Random(`perturbed ${seed}`).chance(PERTURBED_SHARE),
    asked: new Random(`asked ${seed}`).chance(ASKED_SHARE),
  };
}

/** Bounds are constants of the process: they are changed for the run and set back. */
function bound(bounds: Plan['tuning']['bounds']): () => void {
  const [before, peersBefore] = [{ ...LIMITS }, { ...PEER_LIMITS }];
  Object.assign(LIMITS, bounds);
  // What clients know of them too.
  Object.assign(PEER_LIMITS, Object.fromEntries(Object.entries(bounds).filter(([name]) => name in PEER_LIMITS)));
  return () => {
    Object.assign(LIMITS, before);
    Object.assign(PEER_LIMITS, peersBefore);
  };
}

export class Simulation {
  readonly plan: Plan;
  readonly time: VirtualTime;
  readonly recorder: Recorder;
  readonly network: Network;
  readonly view: ServerView;
  readonly server: SimServer;
  readonly clients = new Map<string, SimClient>();
  readonly world: Lane;
  readonly around: Surroundings;
  readonly keys: KeyMaster;
  readonly #oracle: Oracle;
  /** Undefined: nobody will ask. */
  readonly #stories: Stories | undefined;
  readonly #looks: Looks;
  readonly #random: Random;
  /** Second processes of agents so far. */
  twins = 0;
  healed = false;

  constructor(plan: Plan, looks: Looks) {
    this.plan = plan;
    this.#looks = looks;
    this.#stories = looks.asked ? new Stories() : undefined;
    this.#random = new Random(`run ${plan.seed}`);
    const { tuning } = plan;
    this.time = new VirtualTime(this.#random.fork('order'), START);
    this.world = this.time.lane('world');
    const marks = new Marks();
    this.recorder = new Recorder(this.time, marks);
    this.view = new ServerView({
      recorder: this.recorder,
      hashed: looks.replayed,
      made: (tenant, made) => {
        this.#oracle.applied(tenant, made);
        this.#stories?.applied(tenant, made);
      },
    });
    const engine = { followUpsMax: tuning.followUps };
    const ring = { pushesMax: tuning.ringPushes, bytesMax: 64 * 1024 * 1024 };
    this.#oracle = new Oracle({
      recorder: this.recorder,
      view: this.view,
      engine: { followUpsMax: tuning.followUps },
      seed: plan.seed,
      ...looks,
    });
    this.network = new Network({
      time: this.time,
      random: this.#random.fork('network'),
      recorder: this.recorder,
      latencyMs: tuning.latencyMs,
    });
    const observer = new Observer({
      marks,
      incarnation: () => this.server.incarnation,
      headRev: (tenant) => this.view.book(tenant).rev,
    });
    this.around = {
      time: this.time,
      random: this.#random.fork('clients'),
      network: this.network,
      recorder: this.recorder,
      observer,
    };
    const disk = new RecordingDisk({
      recorder: this.recorder,
      view: this.view,
      storedBytes: tuning.storedBytes,
      snapshot: (tenant, snapshot) => this.#oracle.snapshot(tenant, snapshot),
    });
    this.server = new SimServer({
      time: this.time,
      random: this.#random.fork('server'),
      recorder: this.recorder,
      view: this.view,
      network: this.network,
      disk,
      tuning,
      engine,
      ring,
      restart: (ms) => this.startServerIn(ms),
      claims: (token) => this.#claims(token),
    });
    for (const client of plan.clients) this.clients.set(client.name, new SimClient(client, this.around));
    this.keys = new KeyMaster(this);
  }

  run(): Outcome {
    const { plan, time } = this;
    let quiet = false;
    try {
      this.server.start();
      for (const client of this.clients.values())
        this.world.after(client.plan.startAt + 1, () => this.startClient(client));
      for (const action of plan.actions) this.world.after(action.at + 1, () => this.#act(action));
      while (time.step(plan.healAt));
      this.#heal();
      quiet = this.#settle();
      if (quiet && this.#stories !== undefined) quiet = this.#ask(this.#stories);
      this.#end(quiet);
    } catch (error) {
      this.recorder.trouble('exception', error instanceof Error ? (error.stack ?? error.message) : String(error));
    }
    return this.#outcome(quiet);
  }

  /** Brings a client back, now or as soon as it has a credential. */
  startClient(client: SimClient): void {
    if (client.running || (!this.healed && time(this) < client.restartAt)) return;
    this.keys.provide(client, () => client.start());
  }

  /** The server comes back after a while, whatever else happens. */
  startServerIn(ms: number): void {
    this.world.after(ms, () => this.server.start());
  }

  #act(action: Action): void {
    if (this.healed) return;
    if (action.client === undefined) {
      makeFault(this, action);
      return;
    }
    const client = this.clients.get(action.client);
    if (client === undefined) return;
    if (isFault(action)) makeFault(this, action);
    else
      carryOut(action, {
        client,
        around: this.around,
        book: this.view.book(client.plan.tenant),
        recorder: this.recorder,
      });
  }

  #heal(): void {
    this.healed = true;
    this.network.heal();
    this.server.heal();
    this.recorder.add({ kind: 'heal' });
    this.#everybody();
  }

  /** Whoever is away comes back; again and again, since a program may end because of what happened before. */
  #everybody(): void {
    if (!this.server.running) this.server.start();
    for (const client of this.clients.values()) {
      client.resume();
      if (!client.running && client.plan.startAt <= this.time.now) this.startClient(client);
    }
  }

  #settle(): boolean {
    const until = this.plan.healAt + this.plan.settleMs;
    while (this.time.now < until) {
      const next = Math.min(until, this.time.now + LOOK_MS);
      while (this.time.step(next));
      this.#everybody();
      if (!isQuiet(this)) continue;
      const rest = this.time.now + REST_MS;
      while (this.time.step(rest));
      if (isQuiet(this)) return true;
    }
    return false;
  }

  /**
   * False: it did not come to rest again. Something may happen while the questions are on their way, such as an agent that is tried again
   * when its quarantine is over: the answers are of another moment then, and everybody is asked anew.
   */
  #ask(stories: Stories): boolean {
    for (;;) {
      const faults = askWhatBecame(this, stories);
      if (isQuiet(this)) {
        for (const fault of faults) this.recorder.trouble('told', fault);
        return true;
      }
      if (!this.#settle()) return false;
    }
  }

  #end(quiet: boolean): void {
    this.server.look();
    this.#oracle.replay();
    for (const message of stuckWaits(this)) this.recorder.trouble('waits', message);
    // 47 and 75, as the run itself sees them: after the faults, everything ends within a bounded time.
    if (!quiet) this.recorder.trouble('rest', unrest(this) ?? 'it came to rest only at the very end');
    this.recorder.add({ kind: 'end', settled: true, wall: this.server.wallNow });
  }

  #claims(token: string): Principal | undefined {
    const [prefix, name = ''] = token.split(':');
    if (prefix !== 'claim') return undefined;
    const plan = this.clients.get(name)?.plan;
    if (plan === undefined) return undefined;
    const { tenant, role, agent, operator } = plan;
    const id = agent === undefined ? `user:${name}` : `agent:${agent.name}`;
    return {
      id,
      tenant,
      role,
      ...(agent === undefined ? {} : { agent: agent.name }),
      ...(operator === true ? { operator } : {}),
    };
  }

  #outcome(quiet: boolean): Outcome {
    const { recorder, plan, time } = this;
    const checker = new Checker(this.#checkOptions());
    if (this.#looks.checked) {
      for (const event of recorder.events) checker.add(event);
      checker.finish();
    }
    const troubles = recorder.troubles.map((trouble) => ({ ...trouble, events: [] }));
    return {
      seed: plan.seed,
      looks: this.#looks,
      steps: time.steps,
      virtualMs: time.now,
      faults: recorder.faults,
      marks: recorder.marks.counts,
      violations: [...troubles, ...checker.violations],
      events: recorder.events,
      trace: () => hash('sha256', JSON.stringify([recorder.events, time.steps])),
      recorded: () => ({
        bounds: plan.tuning.bounds,
        followUps: plan.tuning.followUps,
        logs: [...this.view.books.values()].map(({ tenant, entries, applied }) => ({
          tenant,
          entries: entries.slice(0, applied),
        })),
      }),
      quiet,
    };
  }

  #checkOptions(): Partial<CheckOptions> {
    const {
      leaseMs,
      recoveryGraceMs,
      stopMs,
      resumeWindowMs,
      liveGapMs,
      remembered,
      idempotencyMs,
      progressMs,
      lossesMax,
      excludedMax,
      treeDepthMax,
      childrenMax,
      treeTasksMax,
      delegationsMax,
      pingTimeoutMs,
      lockGraceMs,
      lockDelayMs,
      lockTtlMs,
      notificationsKept,
      documentVersionsKept,
    } = LIMITS;
    const bounds = {
      leaseMs,
      recoveryGraceMs,
      stopMs,
      resumeWindowMs,
      liveGapMs,
      remembered,
      idempotencyMs,
      progressMs,
      lossesMax,
      excludedMax,
      treeDepthMax,
      childrenMax,
      treeTasksMax,
      delegationsMax,
      pingTimeoutMs,
      lockGraceMs,
      lockDelayMs,
      lockTtlMs,
      notificationsKept,
      documentVersionsKept,
    };
    return { ...bounds, ringPushes: this.plan.tuning.ringPushes };
  }
}

function time(simulation: Simulation): number {
  return simulation.time.now;
}
