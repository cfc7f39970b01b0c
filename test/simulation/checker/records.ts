/**
 * What the checker keeps about the things that a history tells of. Records are filled by world.ts, judged elsewhere.
 */
import type { RuleView } from '../../../protocol/wire/rules.ts';
import type { AgentView, Role, TaskStatus, TaskView } from '../../../protocol/wire/types.ts';
import type { AnswerSeen, EventOf, PushSeen, TaskObservation } from './history.ts';

/** One applied entry: a point in all clocks of its tenant. */
export interface Mark {
  readonly tenant: string;
  readonly seq: number;
  readonly epoch: number;
  readonly rev: number;
  readonly prevRev: number;
  readonly ts: number;
  readonly live: number;
  /** Of the `applied` event. */
  readonly index: number;
  /** The entry that opened the tenant after a start of the server. */
  readonly up: boolean;
  readonly drained: boolean;
  readonly stateHash: string;
}

export interface Entry {
  readonly seq: number;
  readonly epoch: number;
  readonly ts: number;
  readonly chain: string;
  readonly payloadHash: string | undefined;
  readonly index: number;
  readonly up: boolean;
}

export interface Version {
  readonly task: TaskView;
  readonly token?: string;
  readonly mark: Mark;
}

export type CauseKind =
  | 'complete'
  | 'fail'
  | 'reject'
  | 'release'
  | 'cancel'
  | 'timeout'
  | 'deadline'
  | 'progressTimeout'
  | 'accept'
  | 'lost'
  | 'replaced'
  | 'bye'
  | 'deregistered'
  | 'revoked'
  | 'drained'
  /** An offer was withdrawn. */
  | 'pause'
  /** It was handed on. */
  | 'delegate'
  /** Its agent is no member any more that may write where the task belongs. */
  | 'removed'
  /** Nobody had begun it, and it was to go to another agent. */
  | 'moved';

/** Why an assignment or a status may have ended; `op` for those that somebody asked for. */
export interface Cause {
  readonly kind: CauseKind;
  readonly op?: Op;
}

export interface Assignment {
  readonly task: TaskRec;
  readonly token: string;
  readonly agentId: string;
  /** The agent's session when it began, and how long it had been away until then. */
  readonly session: string | undefined;
  readonly awayMs: number;
  readonly start: Mark;
  readonly attempt: number;
  /** The last status seen while it was current. */
  status: TaskStatus;
  confirmed: Mark | undefined;
  running: Mark | undefined;
  /** `away`: its agent's session was not attached when what ended it happened. */
  end: { readonly mark: Mark; readonly to: TaskView; causes: readonly Cause[]; away: boolean } | undefined;
}

export interface TaskRec {
  readonly id: string;
  readonly tenant: Tenant;
  readonly versions: Version[];
  readonly assignments: Assignment[];
  current: Assignment | undefined;
  /** Requests that name it, in the order of sending. */
  readonly ops: Op[];
  /** The request that created it, if it carries a mark. */
  origin: Op | undefined;
  excluded: readonly string[] | undefined;
  /** Agents that refused it; agents that may not have confirmed it. */
  readonly refusedBy: Set<string>;
  readonly unconfirmedBy: Set<string>;
  /** Agents that may have handed it on. */
  readonly handedBy: Set<string>;
  /** Failures so far: at least, at most. */
  failures: readonly [min: number, max: number];
}

/** One change of one task in one entry. */
export interface Change {
  readonly task: TaskRec;
  readonly observed: TaskObservation;
  readonly prev: Version | undefined;
  readonly next: Version;
  readonly ended: Assignment | undefined;
  readonly started: Assignment | undefined;
}

export interface Stop {
  readonly assignment: Assignment;
  readonly start: Mark;
  /** The holder certainly worked and was told: the slot must stay taken. Once doubtful, for good. */
  sure: boolean;
}

export interface AgentRec {
  readonly id: string;
  readonly tenant: Tenant;
  view: AgentView;
  /** Before the latest entry that changed it, and what it passed through in that. */
  before: AgentView | undefined;
  passed: readonly AgentView[];
  changed: Mark;
  gone: Mark | undefined;
  /** The entry in which it was last seen to stop draining. */
  undrained: Mark | undefined;
  /** How its capacity changed. */
  readonly capacities: { readonly index: number; readonly capacity: number }[];
  readonly held: Map<string, Assignment>;
  /** All that it ever had. */
  readonly assignments: Assignment[];
  stops: Stop[];
  /** The session that carries it, and the one before that. */
  session: SessionRec | undefined;
  sessionBefore: SessionRec | undefined;
  /** When `session` was set last. */
  bound: Mark | undefined;
}

export interface Attachment {
  readonly attached: boolean;
  readonly ended: boolean;
  /** When `attached` changed last. */
  readonly since: Mark;
  /** It was lost by the opening after a crash. */
  readonly byOpening: boolean;
}

export interface Subscription {
  readonly topic: string;
  /** Where it was asked for: an unsubscribe ends what was asked before it. */
  readonly asked: number;
  /** Pushes above must come; undefined while the server's answer is not known. */
  from: number | undefined;
  /** Pushes above need not come any more. */
  mustTo: number;
  /** Pushes above must not come. */
  mayTo: number;
}

export interface SessionRec {
  readonly id: string;
  readonly tenant: Tenant;
  /** From the first WELCOME. */
  principal: string | undefined;
  role: Role | undefined;
  agentId: string | undefined;
  /** All agents that it ever spoke for. */
  readonly agentIds: Set<string>;
  /** Connections on which somebody wanted to resume it. */
  readonly resumes: Conn[];
  readonly conns: Conn[];
  readonly subs: Subscription[];
  /** Tasks that it watches because it created them; true: surely. */
  readonly watches: Map<string, boolean>;
  /** As the server's view shows it, and before the latest entry that changed it. */
  server: Attachment | undefined;
  serverBefore: Attachment | undefined;
  /** Indices of BYEs that gave everything back. */
  readonly byes: number[];
  /** Its requests to register an agent. */
  readonly registers: Op[];
  /** Live time that it was away in all, before the present absence. */
  awayMs: number;
  readonly groups: Group[];
  maxReqId: number;
  acked: number;
}

export interface Conn {
  readonly id: string;
  readonly client: ClientRec;
  readonly tenant: Tenant;
  readonly opened: number;
  hello: { readonly event: EventOf<'hello'>; readonly index: number } | undefined;
  welcome: { readonly event: EventOf<'welcome'>; readonly index: number } | undefined;
  session: SessionRec | undefined;
  closed: { readonly index: number; readonly code: number | undefined } | undefined;
  severed: boolean;
  /** The client said BYE on it. */
  left: boolean;
  position: number;
  /** Where the position moved to, and at which event. */
  readonly positions: { readonly rev: number; readonly index: number }[];
  readonly pushes: { readonly event: PushSeen; readonly index: number }[];
  /** Up to here the server said that pushes are missing. */
  gapTo: number;
}

export interface Handler {
  readonly client: ClientRec;
  readonly taskId: string;
  readonly token: string;
  readonly start: number;
  end: number | undefined;
}

/** One incarnation of a client process. */
export interface ClientRec {
  readonly client: string;
  readonly incarnation: number;
  readonly tenant: Tenant;
  readonly sdk: boolean;
  readonly start: number;
  killed: number | undefined;
  killedAt: number | undefined;
  readonly conns: Conn[];
  readonly handlers: Map<string, Handler>;
}

export interface Answer {
  readonly event: AnswerSeen;
  readonly index: number;
  readonly group: Group;
  readonly op: Op;
}

/** One logical request. */
export interface Op {
  readonly opId: string;
  readonly tenant: Tenant;
  readonly session: SessionRec;
  readonly k: string | undefined;
  readonly method: string;
  readonly params: unknown;
  readonly index: number;
  readonly sends: { readonly conn: string; readonly group: Group; readonly index: number }[];
  readonly answers: Answer[];
  info: boolean;
  /** The largest position of an ok that was known to anybody when it was first sent. */
  readonly floor: number;
}

/** All requests under one (session, id). */
export interface Group {
  readonly session: SessionRec;
  readonly reqId: number;
  readonly ops: Op[];
  readonly answers: Answer[];
}

export interface MarkedEffect {
  readonly ops: Op[];
  readonly tasks: TaskRec[];
  readonly revs: Set<number>;
}

/** Who reads what of the workspaces of a tenant. */
export interface SpaceReaders {
  /** Certainly one who hears of it: it could read from this position on, to the end. */
  surelyReads(session: SessionRec, workspace: string, from: number): boolean;
  /** Of a topic of a document or a task. */
  workspaceBehind(topic: string): string | undefined;
  /** Whether somebody could write there before an entry and between it and another place of the history: all the time, or at some time. */
  couldWrite(
    who: { readonly user: string; readonly admin: boolean },
    of: { readonly workspace: string; readonly from: number; readonly until: number },
  ): 'always' | 'sometimes' | 'never';
  /** It may be given what waits there now. */
  works(agentName: string, workspace: string): boolean;
  /** It is being deleted, or was. */
  isEnding(workspace: string): boolean;
}

export interface Tenant {
  readonly id: string;
  logId: string | undefined;
  readonly entries: Entry[];
  durable: number;
  readonly marks: Mark[];
  readonly tasks: Map<string, TaskRec>;
  readonly agents: Map<string, AgentRec>;
  readonly sessions: Map<string, SessionRec>;
  readonly tokens: Map<string, Assignment>;
  /** Effects by the mark of their request. */
  readonly effects: Map<string, MarkedEffect>;
  readonly ops: Op[];
  readonly opsByTask: Map<string, Op[]>;
  /** Requests that revoke keys or deregister agents. */
  readonly adminOps: Op[];
  /** Requests that create tasks and may cancel others to make room. */
  readonly makers: Op[];
  /** What was to be moved to other agents, by `<task> <token>`. */
  readonly moves: Set<string>;
  /** agent.drain with a deadline. */
  readonly drains: Op[];
  /** The largest position in an ok so far. */
  okRev: number;
  /** The server was started and has not written its opening entry here. */
  opening: boolean;
  /** The last opening entry. */
  opened: Mark | undefined;
  readonly held: Set<TaskRec>;
  readonly scheduled: Set<TaskRec>;
  /** Nobody's, until those below them have ended. */
  readonly waiting: Set<TaskRec>;
  /** Pending tasks by what they require and select, and where they belong. */
  readonly pending: Map<string, Set<TaskRec>>;
  /** Those in force, and the entry of their last change. */
  rules: readonly RuleRec[];
  ruled: Mark | undefined;
  /** From which event to which each lock had each of its tokens, by `<id> <token>`. */
  readonly lockTokens: Map<string, { readonly from: number; to: number | undefined }>;
  /** Tasks that have the locks that they need. */
  readonly locked: Set<string>;
  /** When locks ended, and when something of them was released last. */
  readonly lockEnds: Map<string, number>;
  /** Undefined: there never was a workspace. */
  spaces: SpaceReaders | undefined;
  readonly lockReleases: Map<string, number>;
}

export type RuleRec = Pick<RuleView, 'name' | 'type' | 'condition' | 'filter' | 'onError'>;

export function lastMark(tenant: Tenant): Mark | undefined {
  return tenant.marks.at(-1);
}

/** The last mark up to a position and the first one from it on: one and the same at the end of an entry. */
export function marksAround(tenant: Tenant, rev: number): readonly Mark[] {
  const next = firstIndex(tenant.marks, (mark) => mark.rev >= rev);
  const found = [tenant.marks[next]?.rev === rev ? undefined : tenant.marks[next - 1], tenant.marks[next]];
  return found.filter((mark) => mark !== undefined);
}

/** The index of the first item that satisfies a test which, once true, stays true. */
export function firstIndex<T>(list: readonly T[], test: (item: T) => boolean): number {
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const item = list[middle];
    if (item !== undefined && test(item)) high = middle;
    else low = middle + 1;
  }
  return low;
}

export function latest(task: TaskRec): Version {
  const version = task.versions.at(-1);
  if (version === undefined) throw new Error(`task ${task.id} has no version`);
  return version;
}

/** The entry, and those before it whose work it may have gone on with. */
export function withCausesOf({ marks }: Tenant, mark: Mark): readonly Mark[] {
  const found = [mark];
  for (let i = marks.lastIndexOf(mark) - 1; i >= 0 && marks[i]?.drained === false; i -= 1) found.push(marks[i] ?? mark);
  return found;
}

/** What the agent was just before `mark`, while that was applied, and at its end, as far as it is known. */
export function viewsIn(agent: AgentRec, mark: Mark): readonly AgentView[] {
  if (agent.changed.seq !== mark.seq) return [agent.view];
  return [...(agent.before === undefined ? [] : [agent.before]), ...agent.passed, agent.view];
}

/** The state of a session just before `mark`, and at its end. */
export function attachmentsAround(session: SessionRec, mark: Mark): readonly Attachment[] {
  const now = session.server;
  if (now === undefined) return [];
  if (now.since.seq !== mark.seq || session.serverBefore === undefined) return [now];
  return [session.serverBefore, now];
}
