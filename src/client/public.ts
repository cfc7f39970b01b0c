/** What both entries of the SDK give to their users. */
export { Client } from './client.ts';
export type { ClientEvents, ClientOptions, ClientWarning, CloseCallOptions, WaitOptions } from './client.ts';
export type { ConnectionState, Outage } from './core.ts';
export { CLIENT_CODES, MusterError, TaskFailure } from './errors.ts';
export type { ClientCode, TaskFailureOptions } from './errors.ts';
export type { AskOptions, ExtendOptions, Message } from './conversation.ts';
export type { TaskContext, TaskHandler } from './handlers.ts';
export type { Subtask } from './subtasks.ts';
export type { LockMember, LockMode, LockView, TaskLock } from '../../protocol/wire/locks.ts';
export type { DelegateTo, DistributedResult, TaskDistribute, TreeNode } from '../../protocol/wire/trees.ts';
export type {
  DocumentEdit,
  DocumentEdited,
  DocumentEditing,
  DocumentEditOptions,
  DocumentMethods,
} from './document-methods.ts';
export type { DocumentRead } from './document-texts.ts';
export type { RevokeRequest } from './lock-holding.ts';
export type { Lock, LockWhat, LockWithOptions, LockWork } from './lock-methods.ts';
export type { NotificationHandler, NotificationNote } from './notifications.ts';
export type { NotificationAudience, NotificationData } from '../../protocol/wire/notifications.ts';
export type { TopicListener } from './listening.ts';
export type { WatchOptions } from './output-watch.ts';
export type { OutputPiece, QuestionView } from '../../protocol/wire/control.ts';
export type { PushIn as Push } from './incoming.ts';
export type { Methods, RequestOptions } from './methods.ts';
export type { OpenTelemetryApi } from './open-telemetry.ts';
export { ERROR_CODES } from '../../protocol/wire/codes.ts';
export type { ErrorCode } from '../../protocol/wire/codes.ts';
export type {
  AgentShape,
  AgentView,
  ApiKeyView,
  Method,
  Params,
  Results,
  TaskCreate,
  TaskError,
  TaskEventData,
  TaskStatus,
  TaskView,
  TenantView,
  Value,
} from '../../protocol/wire/types.ts';
