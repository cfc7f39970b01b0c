/**
 * The engine's public face: what goes in (entries of commands) and what comes out (replies, pushes, facts for
 * the node). Everything here is plain data.
 */
import type { Rejection } from '../../protocol/wire/codes.ts';
import type { OutputPiece } from '../../protocol/wire/control.ts';
import type { FindingCode } from '../../protocol/wire/observing.ts';
import type { WriteMethod } from '../../protocol/wire/operations.ts';
import type { AgentShape, Data, Params, Role, SessionSnapshot, TaskView, Value } from '../../protocol/wire/types.ts';
import type { ArchiveFact, DocumentVersionRecord, SectionRecord } from './documents/document-records.ts';
import type { LockFact } from './locks/lock-records.ts';
import type { NotificationFact } from './notifications/notification-records.ts';
import type { RuleTrees, TaskRecord } from './records.ts';

export type { ArchiveFact, DocumentVersionRecord, LockFact, NotificationFact, RuleTrees, SectionRecord };

/** The behaviour that the state is under; a build takes part only while it supports it. */
export const ENGINE_VERSION = 8;
/** From here on: agents are rated, a failed task goes elsewhere, waiting counts as priority. */
export const WORK_VERSION = 2;
/** From here on: there are locks. */
export const LOCKS_VERSION = 3;
/**
 * From here on: what one command makes by itself is counted together, an occurrence that was dealt with is not foreseen again, and
 * room under a concurrency key lets nobody be overtaken.
 */
export const MENDED_VERSION = 3;
/** From here on: there are notifications. */
export const NOTIFICATIONS_VERSION = 3;
/** From here on: there are workspaces. */
export const WORKSPACES_VERSION = 4;
/** From here on: there are documents. */
export const DOCUMENTS_VERSION = 5;
/** From here on: a schedule makes tasks in a workspace only while the member who answers for it may. */
export const SCHEDULE_MEMBERS_VERSION = 6;
/** From here on: documents are renamed, archived, restored and kept under names, and no stale edit is swallowed by what came to stand before it. */
export const DOCUMENT_CARE_VERSION = 6;
/** From here on: work that has not begun can be moved to another agent. */
export const MOVES_VERSION = 6;
/** From here on: a workspace knows since when everybody may read it. */
export const PUBLIC_SINCE_VERSION = 6;
/** From here on: a document may have 10 MiB, and not 256 KiB alone. */
export const LARGE_DOCUMENTS_VERSION = 7;
/** From here on: the state knows where the log went on in another epoch, and tells it. */
export const EPOCHS_VERSION = 8;
/** From here on: versions of documents that the state keeps no more are edited from and kept under names, with sections that come with the request. */
export const OLD_BASES_VERSION = 8;
/** From here on: api keys that have ended leave. */
export const KEYS_LEAVE_VERSION = 8;
/** The oldest state and log that this build can still run. */
export const ENGINE_VERSION_MIN = 1;

export type Refusal = { readonly ok: false; readonly rejection: Rejection };
export type Reply = { readonly ok: true; readonly result: Data } | Refusal;

/** Who holds a session, as recorded when it was opened. */
export interface SessionPrincipal {
  readonly id: string;
  readonly role: Role;
  readonly agent?: string;
  readonly keyId?: string;
  readonly expiresAt?: number;
  readonly scopes?: readonly string[];
}

/** The task as the archive has it: it may have left memory. */
export interface Archived {
  readonly archived?: TaskView;
}

/** The first occurrence of an expression, as of that version of the schedule (1: of a new one). */
export interface Foreseen {
  readonly foreseen?: { readonly version: number; readonly next: number };
}

/** What an inspection before the command found; each is looked at again before it is mended. */
export interface Found {
  readonly found?: {
    readonly faults: readonly { readonly code: FindingCode; readonly entity: string }[];
    /** Faults that are not among these. */
    readonly left: number;
  };
}

/** A section of a text that is durable outside, under its hash. */
export interface PreparedSection {
  readonly sid: string;
  readonly heading: string;
  readonly level: number;
  readonly sha256: string;
  readonly bytes: number;
  /** It would swallow an underlined heading behind it. */
  readonly open?: true;
  /** What stands before it could swallow its heading. */
  readonly under?: true;
}

/** What an edit is compared with of a section that it was made of. */
export type BaseSection = Pick<SectionRecord, 'sid' | 'version' | 'sha256'>;

/** A text as it was prepared for an edit of a document. */
export interface PreparedText {
  /** The version that it was made of; 0: of none. */
  readonly base: number;
  /** All sections of that version, as the store has them, if the state did not go back to it any more. */
  readonly from?: readonly BaseSection[];
  readonly sections: readonly PreparedSection[];
  readonly nextNumber: number;
  /** Its sections mean what they do beside those of this version only. */
  readonly alone: boolean;
}

/** Instead of its content; absent if what it is about was not there, or needs no text. */
interface TextOf {
  readonly text?: PreparedText;
}

/** Params as they stand in the log: what the edge drew or computed is added to what the client sent. */
export interface Prepared {
  'document.create': Omit<Params['document.create'], 'content' | 'blob'> & Required<TextOf>;
  'document.update': Omit<Params['document.update'], 'content' | 'blob'> & TextOf;
  'document.resolve': Omit<Params['document.resolve'], 'content' | 'blob'> & TextOf;
  'document.restore': Params['document.restore'] & TextOf;
  'document.snapshot': Params['document.snapshot'] & {
    /** All sections of the version, as the store has them, if the state did not go back to it any more. */
    readonly sections?: readonly SectionRecord[];
  };
  'comment.create': Omit<Params['comment.create'], 'content'> & { readonly sha256: string; readonly bytes: number };
  'section.update': Omit<Params['section.update'], 'content' | 'blob'> & TextOf;
  'apiKey.create': Params['apiKey.create'] & { readonly keyId: string; readonly secretHash: string };
  'deadLetter.edit': Params['deadLetter.edit'] & Archived;
  'deadLetter.replay': Params['deadLetter.replay'] & Archived;
  'deadLetter.discard': Params['deadLetter.discard'] & Archived;
  'schedule.create': Params['schedule.create'] & Foreseen;
  'schedule.update': Params['schedule.update'] & Foreseen;
  'schedule.resume': Params['schedule.resume'] & Foreseen;
  'rule.add': Params['rule.add'] & { readonly trees: RuleTrees };
  /** Of the expressions that it brings. */
  'rule.update': Params['rule.update'] & { readonly trees: RuleTrees };
  'tenant.mend': Params['tenant.mend'] & Found;
}
export type PreparedParams = { readonly [M in WriteMethod]: M extends keyof Prepared ? Prepared[M] : Params[M] };

/** A dead letter of a run: what a task like it needs, and when it died. */
export interface FedLetter {
  readonly id: string;
  readonly finishedAt: number;
  /** Of a run that replays. */
  readonly task?: TaskView;
}

/** A task that nobody has begun, under the token of its assignment, to be given to another agent. */
export interface Move {
  readonly task: string;
  readonly token: number;
  readonly to: string;
}

/** A request of a session. `id` 0: not remembered. */
export interface RequestCommand {
  readonly kind: 'request';
  readonly session: string;
  readonly id: number;
  readonly hash: number;
  readonly ack: number;
  readonly key?: string | undefined;
  readonly method: WriteMethod;
  readonly params: Value;
}

/** HELLO: resumes the session it names if it can, else opens a fresh one. */
export interface HelloCommand {
  readonly kind: 'session.hello';
  readonly principal: SessionPrincipal;
  /** SHA-256 of the secret that WELCOME will carry, hex. */
  readonly secretHash: string;
  readonly resume?: {
    readonly session: string;
    readonly secretHash: string;
    readonly rev: number;
    /** The node cannot replay from that position. */
    readonly gap?: 'gap' | 'epoch';
  };
  readonly agent?: AgentShape;
  readonly subs: readonly string[];
  /** What the credential allows no longer includes to listen: a session that is resumed loses its subscriptions. */
  readonly deaf?: true;
  /** Up to where the agent that is named has processed what it was told, by the connection that it has until now. */
  readonly seen?: number;
  readonly node: string;
}

export type SystemCommand =
  | HelloCommand
  /** The first entry of an opened tenant: sessions of the incarnation before are lost. */
  | { readonly kind: 'up'; readonly incarnation: string; readonly node: string; readonly version: number }
  | { readonly kind: 'tick' }
  | { readonly kind: 'continue' }
  | { readonly kind: 'upgrade'; readonly version: number }
  /** Of whoever checks a data directory while no server runs. */
  | { readonly kind: 'mend' }
  /** `seen`: up to where the client has processed what it was told, if that matters. */
  | { readonly kind: 'session.lost'; readonly session: string; readonly attach: number; readonly seen?: number }
  | {
      readonly kind: 'session.bye';
      readonly session: string;
      readonly attach: number;
      readonly requeue: boolean;
      readonly seen?: number;
    }
  /** Every agent that is attached, but for those that attached after it, has processed what it was told up to here. */
  | { readonly kind: 'notifications.passed'; readonly rev: number }
  | {
      readonly kind: 'key.install';
      readonly id: string;
      readonly secretHash: string;
      readonly role: Role;
      /** The one with which its tenant began. */
      readonly first?: true;
    }
  /**
   * The occurrences of a schedule after its cursor, computed outside: those that are due, oldest first (of too many the
   * newest; `missed` counts the others), and the next one, if there is one. `fault`: they cannot be computed.
   */
  | {
      readonly kind: 'schedule.plan';
      readonly id: string;
      readonly version: number;
      readonly cursor: number;
      readonly due: readonly number[];
      readonly missed: number;
      readonly next?: number;
      readonly fault?: string;
    }
  /**
   * Letters for a run, from the archive: those that its filter fits, below its cursor, ids descending. `next`: nothing above
   * it is left; undefined: nothing at all is.
   */
  | {
      readonly kind: 'letters.feed';
      readonly run: string;
      readonly cursor?: string;
      readonly letters: readonly FedLetter[];
      readonly next?: string;
    }
  /** Called by the holder of an operator key whose session is in another tenant. */
  /** What was computed of the state as it was: each is looked at again, and done only if it is still right. */
  | { readonly kind: 'task.move'; readonly moves: readonly Move[] }
  | {
      readonly kind: 'tenant.create';
      readonly id: string;
      readonly by: string;
      readonly keyId: string;
      readonly secretHash: string;
      /** Names the request, which is remembered under it: (tenant, principal, idempotency key), or (tenant, session, id). */
      readonly dedupe: string;
    };

export type Command = RequestCommand | SystemCommand;

/** One log entry, decoded from its stored bytes. */
export interface Entry {
  readonly seq: number;
  readonly epoch: number;
  readonly ts: number;
  readonly random: Uint8Array;
  readonly node: string;
  readonly commands: readonly Command[];
}

/** What an order is about: a task, or a lock, under a token. */
export type OrderOf =
  | { readonly task: string; readonly lock?: undefined; readonly token: number }
  | { readonly lock: string; readonly task?: undefined; readonly token: number };

export interface Push {
  readonly rev: number;
  readonly event: string;
  /**
   * Audience keys: `a:<agentId>`, `s:<sessionId>`, `t:<topic>`, also `t:<pattern>` of those who listen by one; `c:<capability>`, and
   * `e:all` for everyone, `w:<workspace>` for its members. What belongs to a workspace names it first, `g:<workspace>` (WG1).
   */
  readonly to: readonly string[];
  readonly topic: string | undefined;
  /** An order is rendered when it is sent and left out when its token is no longer current. */
  readonly order: OrderOf | undefined;
  /** Undefined for orders that hold a reference only. */
  readonly data: Data;
  /** latest: no rev of its own, not replayed; the newest per key. */
  readonly latestKey: string | undefined;
}

/** A piece of what a task hands out, on its way to the store. */
export interface TaskPiece extends OutputPiece {
  readonly task: string;
}

export interface WelcomeResult {
  readonly session: string;
  readonly attach: number;
  readonly resumed: boolean;
  readonly reason?: 'expired' | 'gap' | 'epoch' | 'auth';
  readonly rev: number;
  readonly agentId?: string;
  readonly snapshot?: SessionSnapshot;
}

export type SessionEnd = 'replaced' | 'bye' | 'expired' | 'revoked';

/** What one command came to. */
export interface CommandOutput {
  readonly reply: Reply;
  /** Position after the command. */
  readonly rev: number;
  /** For session.hello. */
  readonly welcome?: WelcomeResult;
}

/** What is counted of the course of work. */
export interface WorkFact {
  /**
   * given: to an agent, after it waited. Then ends of attempts; returned: neither well nor by a failure. Then ends of tasks,
   * of the agent that held the task last; dead: it is a dead letter.
   */
  readonly kind:
    'given' | 'ok' | 'failedAttempt' | 'returned' | 'completed' | 'failed' | 'timed_out' | 'cancelled' | 'dead';
  readonly type: string;
  readonly agentId: string | undefined;
  readonly ms: number;
}

export interface EntryOutput {
  readonly seq: number;
  readonly rev: number;
  readonly now: number;
  readonly live: number;
  readonly commands: readonly CommandOutput[];
  readonly pushes: readonly Push[];
  /** Tasks that reached a terminal status. */
  readonly finished: readonly TaskRecord[];
  readonly facts: readonly WorkFact[];
  /** What became of locks; absent if nothing did. */
  readonly locks?: readonly LockFact[] | undefined;
  /** What became of notifications; absent if nothing did. */
  readonly notifications?: readonly NotificationFact[] | undefined;
  /** Pieces of output, in order; absent if there is none. */
  readonly pieces?: readonly TaskPiece[] | undefined;
  /** Of documents, what the state keeps no more, in order; absent if there is nothing. */
  readonly archived?: readonly ArchiveFact[] | undefined;
  /** Sessions whose connection (attach number) must close. */
  readonly ended: readonly { readonly session: string; readonly attach: number; readonly why: SessionEnd }[];
  /** Follow-up work waits in the state: a `continue` is due. */
  readonly more: boolean;
  /** All of it is tasks of trees that are to end: nobody waits for it. */
  readonly onlyTrees: boolean;
}
