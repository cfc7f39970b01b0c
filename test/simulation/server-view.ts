/**
 * What the server did, entry by entry, as the history wants it, and what is kept of it for the replays at the end.
 *
 * Owns: the books of all tenants over all incarnations of the server. Does not own: judging (checker), replays (oracle.ts).
 */
import { encodeValue, isMap } from '../../protocol/wire/codec.ts';
import type { NotificationData } from '../../protocol/wire/notifications.ts';
import { agentView } from '../../src/engine/agents/agents.ts';
import type { Engine } from '../../src/engine/engine.ts';
import type { Entry, EntryOutput, Push } from '../../src/engine/port.ts';
import type { AgentRecord, SessionRecord, TaskRecord } from '../../src/engine/records.ts';
import { isHeld } from '../../src/engine/tasks/transitions.ts';
import { ruleView } from '../../src/engine/rules/rules.ts';
import { taskView } from '../../src/engine/tasks/view.ts';
import type { LogEntry } from '../../src/log/port.ts';
import type {
  EventOf,
  NoticeObservation,
  PushObservation,
  SessionObservation,
  TaskObservation,
} from './checker/history.ts';
import { EntryMarks, type MadeEntry } from './entry-marks.ts';
import type { Recorder } from './recorder.ts';
import { DocumentShelf, documentsOf } from './document-view.ts';
import { locksOf } from './lock-view.ts';
import { workspacesOf } from './workspace-view.ts';
import { noChanges, StateTracker, type Changes } from './state-tracker.ts';

/** If it is hashed at all, the state is at every entry whose seq is a multiple of this; in between the position stands for it. */
export const HASH_EVERY = 64;

/** Members are set one by one where there are many: what is spread into an object that has some is copied slowly. */
type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** An entry as it stood in the log. */
export interface Kept {
  readonly seq: number;
  readonly epoch: number;
  readonly ts: number;
  readonly payload: Uint8Array;
}

/** Everything known about one tenant. */
export interface Book {
  readonly tenant: string;
  readonly entries: Kept[];
  /** What was recorded as the hash after each entry. */
  readonly hashes: Map<number, string>;
  applied: number;
  rev: number;
  /** The version of the rules that was told. */
  rules: number | undefined;
  tracker: StateTracker | undefined;
  readonly tasks: Map<string, TaskRecord>;
  readonly agents: Map<string, AgentRecord>;
  readonly sessions: Map<string, SessionRecord>;
  readonly byMark: Map<string, string>;
  readonly documents: DocumentShelf;
  /** Tokens of each task, oldest first. */
  readonly tokens: Map<string, string[]>;
}

export interface ViewOptions {
  readonly recorder: Recorder;
  /** Whole states are hashed, for replays to compare with. */
  readonly hashed: boolean;
  /** Called for each entry that is applied for the first time. */
  readonly made: (tenant: string, made: MadeEntry) => void;
}

export class ServerView {
  readonly #recorder: Recorder;
  readonly #options: ViewOptions;
  readonly #marks: EntryMarks;
  readonly books = new Map<string, Book>();

  constructor(options: ViewOptions) {
    this.#options = options;
    this.#recorder = options.recorder;
    this.#marks = new EntryMarks(options.recorder.marks);
  }

  book(tenant: string): Book {
    let book = this.books.get(tenant);
    if (book === undefined) {
      book = {
        tenant,
        entries: [],
        hashes: new Map(),
        applied: 0,
        rev: 0,
        rules: undefined,
        tracker: undefined,
        tasks: new Map(),
        agents: new Map(),
        sessions: new Map(),
        byMark: new Map(),
        documents: new DocumentShelf(),
        tokens: new Map(),
      };
      this.books.set(tenant, book);
    }
    return book;
  }

  applied(
    tenant: string,
    done: {
      readonly entry: LogEntry;
      readonly decoded: Entry;
      readonly output: EntryOutput;
      readonly engine: Engine;
    },
  ): void {
    const { entry, decoded, output, engine } = done;
    const book = this.book(tenant);
    let { tracker } = book;
    const fresh = tracker?.engine !== engine;
    if (tracker === undefined || fresh) book.tracker = tracker = new StateTracker(engine, this.#options);
    const stateHash = hashAt(tracker, entry.seq);
    const changes = tracker.take();
    const { seq } = entry;
    const about = { kind: 'applied', tenant, seq, rev: output.rev, stateHash } as const;
    if (seq <= book.applied) {
      this.#recorder.add(about);
      return;
    }
    book.hashes.set(seq, stateHash);
    book.applied = seq;
    book.rev = output.rev;
    const changed = fresh ? difference(book, engine, output) : changes;
    book.documents.note(changed.documents);
    const made = { decoded, output, changes: changed, state: engine.state };
    this.#marks.entry(made);
    this.#options.made(tenant, made);
    this.#recorder.add({
      ...about,
      live: output.live,
      drained: !output.more,
      ...this.#views(book, changed),
      ...rulesOf(book, engine),
      pushes: pushesOf(output),
      ...movesOf(decoded),
      ...locksOf(made),
      ...documentsOf(made),
      ...workspacesOf(made),
    });
  }

  #views(book: Book, changes: Changes): Partial<EventOf<'applied'>> {
    const tasks: TaskObservation[] = [];
    for (const task of changes.tasks) {
      if (book.tasks.get(task.id) === task) continue;
      book.tasks.set(task.id, task);
      noteTask(book, task);
      const about = { task: taskView(task), excluded: excludedOf(task) };
      tasks.push(isHeld(task) ? { ...about, token: String(task.token) } : about);
    }
    const agents = changes.reshaped.map(agentView);
    const agentsGone = [];
    for (const [id, agent] of changes.agents) {
      if (agent === undefined) {
        book.agents.delete(id);
        agentsGone.push(id);
      } else {
        book.agents.set(id, agent);
        agents.push(agentView(agent));
      }
    }
    const sessions = [...changes.sessions].map(([id, { after, last }]) =>
      sessionOf(book, id, last, after === undefined),
    );
    return {
      ...(tasks.length === 0 ? {} : { tasks }),
      ...(agents.length === 0 ? {} : { agents }),
      ...(agentsGone.length === 0 ? {} : { agentsGone }),
      ...(sessions.length === 0 ? {} : { sessions }),
    };
  }
}

/** Those that are in force, if they have changed. */
function rulesOf(book: Book, { state, groups }: Engine): Partial<EventOf<'applied'>> {
  if (state.counters.rules === book.rules) return {};
  book.rules = state.counters.rules;
  return { rules: groups.book.active.map(({ record }) => ruleView(record)) };
}

export function hashAt(tracker: StateTracker, seq: number): string {
  if (tracker.hashed && seq % HASH_EVERY === 0) return tracker.hash();
  const { rev, counters, tasks, sessions } = tracker.engine.state;
  return `${rev} ${counters.tokens} ${counters.live} ${tasks.size} ${sessions.size}`;
}

function noteTask(book: Book, task: TaskRecord): void {
  const { parameters } = task;
  const mark = isMap(parameters) ? parameters['mark'] : undefined;
  if (typeof mark === 'string' && task.retryOf === undefined && !book.byMark.has(mark)) book.byMark.set(mark, task.id);
  if (!isHeld(task)) return;
  const tokens = book.tokens.get(task.id) ?? [];
  book.tokens.set(task.id, tokens);
  const token = String(task.token);
  if (tokens.at(-1) !== token) tokens.push(token);
}

function sessionOf(book: Book, id: string, record: SessionRecord | undefined, ended: boolean): SessionObservation {
  const known = record ?? book.sessions.get(id);
  if (ended) book.sessions.delete(id);
  else if (known !== undefined) book.sessions.set(id, known);
  const agentId = known?.agentId;
  return {
    id,
    principal: known?.principal.id ?? '',
    attached: !ended && known?.attached === true,
    ...(agentId === undefined ? {} : { agentId }),
    ...(ended ? { ended } : {}),
  };
}

/**
 * What the first entry of an engine changed: everything that is not as the book has it. Tasks that ended in it may have left
 * memory with it.
 */
function difference(book: Book, engine: Engine, output: EntryOutput): Changes {
  const { state } = engine;
  const changes: Changes = { ...noChanges(), documents: book.documents.difference(state) };
  const told = output.pushes.some(({ event }) => event.startsWith('lock.'));
  changes.workspaces = state.counters.workspaces !== undefined;
  changes.locks = told || state.locks.size + state.lockWaits.size > 0;
  // A whole that ends stays until its parts have ended, which it takes with it: by `rev` it comes before them.
  for (const task of output.finished.toSorted((one, other) => one.rev - other.rev))
    if (!alike(book.tasks.get(task.id), task)) changes.tasks.push(task);
  for (const task of state.tasks.hold()) if (!alike(book.tasks.get(task.id), task)) changes.tasks.push(task);
  for (const agent of state.agents.hold())
    if (!alike(book.agents.get(agent.id), agent)) changes.agents.set(agent.id, agent);
  for (const id of book.agents.keys()) if (state.agents.get(id) === undefined) changes.agents.set(id, undefined);
  for (const session of state.sessions.hold()) {
    const before = book.sessions.get(session.id);
    if (!alike(before, session)) changes.sessions.set(session.id, { before, after: session, last: session });
  }
  for (const [id, before] of book.sessions)
    if (state.sessions.get(id) === undefined) changes.sessions.set(id, { before, after: undefined, last: before });
  return changes;
}

function alike(a: object | undefined, b: object): boolean {
  if (a === undefined) return false;
  const [x, y] = [a, b].map((record) => {
    const members = Object.entries(record).filter(([, value]) => value !== undefined);
    return encodeValue(Object.fromEntries(members.toSorted(([m], [n]) => (m < n ? -1 : 1))));
  });
  return x !== undefined && y !== undefined && Buffer.compare(x, y) === 0;
}

function pushesOf(output: EntryOutput): PushObservation[] {
  return output.pushes.filter(({ latestKey }) => latestKey === undefined).map(pushOf);
}

function pushOf(push: Push): PushObservation {
  const { rev, event, to, topic, order } = push;
  const [guard = ''] = to;
  const data = push.data as { readonly id?: string; readonly token?: string; readonly status?: string };
  const [first = ''] = to;
  const id = first.slice(2);
  const seen: Mutable<PushObservation> = { rev, event };
  if (guard.startsWith('g:')) seen.workspace = guard.slice(2);
  if (topic !== undefined) seen.topic = topic;
  else if (event === 'notification') seen.notice = noticeOf(push);
  else if (first.startsWith('a:')) seen.agentId = id;
  else seen.session = id;
  if (order?.task !== undefined) seen.taskId = order.task;
  if (order?.lock !== undefined) seen.lock = { id: order.lock, token: String(order.token) };
  if (topic === undefined && data.token !== undefined) seen.token = data.token;
  if (topic !== undefined && data.status !== undefined) seen.status = data.status;
  return seen;
}

function noticeOf({ to, data }: Push): NoticeObservation {
  const { id, expiresAt, data: said } = data as NotificationData;
  const named = (kind: string): string[] => to.flatMap((one) => (one.startsWith(kind) ? one.slice(2) : []));
  const [capability] = named('c:');
  const agents = named('a:');
  const mark = said !== undefined && isMap(said) ? said['mark'] : undefined;
  return {
    id,
    expiresAt,
    ...(named('e:').length > 0 ? { all: true } : {}),
    ...(agents.length > 0 ? { agents } : {}),
    ...(capability === undefined ? {} : { capability }),
    ...(typeof mark === 'string' ? { mark } : {}),
  };
}

/** Ids of the agents that the task excludes, and barred names behind an `@`; whether one that did not confirm has come back since is not said. */
function excludedOf(task: TaskRecord): string[] {
  return task.excluded.map((mark) => (mark.startsWith('@') ? mark : (mark.split('@')[0] ?? mark)));
}

function movesOf({ commands }: Entry): Partial<EventOf<'applied'>> {
  const moves = commands.flatMap((one) => (one.kind === 'task.move' ? one.moves : []));
  return moves.length === 0 ? {} : { moves: moves.map(({ task, token }) => ({ task, token: String(token) })) };
}
