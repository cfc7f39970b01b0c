/**
 * Every bound and default of protocol v1, in one place. Durations end in `Ms`, sizes in `Bytes`,
 * counts in `Max`. What happens at the bound is said beside it.
 */
import { PEER_LIMITS } from './peer-limits.ts';

export const LIMITS = {
  ...PEER_LIMITS,

  /** Outcomes remembered per session; older ids: ERROR OUTCOME_UNKNOWN. */
  remembered: 1_024,
  /** How long an idempotency key holds. */
  idempotencyMs: 24 * 3_600_000,
  idempotencyKeysMax: 1_000_000,
  /** Faulty but framed requests (unknown odd op, bad body) before the connection is closed PROTOCOL_ERROR. */
  protocolErrorsMax: 10,

  pingIntervalMs: 10_000,
  /** A connection without a frame for so long is dead: close NO_PONG. */
  pingTimeoutMs: 15_000,
  leaseMs: 15_000,
  recoveryGraceMs: 45_000,
  acceptMs: 10_000,
  acceptMsMin: 100,
  acceptMsMax: 600_000,
  /** How long a holder that was told to stop keeps its slot without acknowledging. */
  stopMs: 10_000,
  resumeWindowMs: 600_000,
  /** The largest step that live time makes between two entries. */
  liveGapMs: 5_000,

  subsMax: 128,
  topicBytes: 255,
  topicTokensMax: 16,
  /** Patterns among the subscriptions of a session; more: LIMIT_EXCEEDED. */
  patternsMax: 32,
  /**
   * Of a tenant: places of wildcards in which its patterns differ, which is how many patterns one topic can fit; more:
   * LIMIT_EXCEEDED.
   */
  patternShapesMax: 64,

  /** Items in a snapshot of a session; the rest by `session.snapshot {cursor}`. */
  snapshotItems: 200,
  /** Encoded items in a page or snapshot, at least one; the rest by the cursor. */
  pageBytes: 160 * 1024,
  pageDefault: 50,
  batchMax: 1_000,

  /** Faults that one `tenant.mend` takes care of; said again it goes on. */
  mendMax: 1_000,
  /** Inspections (`tenant.check`, `tenant.mend`) of a node that wait for their turn; more: UNAVAILABLE. */
  inspectionsMax: 256,
  /** Rows in a page of a report; the rest by the cursor. */
  reportRowsMax: 1_000,
  /** Chunks and tasks of the archive that one page of a search looks at; then it ends, with a cursor. */
  searchChunksMax: 2_000,
  searchTasksMax: 5_000,
  searchTextBytes: 256,
  /** Events of one task that a page of its timeline has. */
  timelineMax: 500,
  /** Waiting tasks that a backlog looks at; of more, the shares of types are estimated. */
  backlogScanMax: 50_000,
  /** Epochs of a log of which a node remembers where they began; positions of older ones count as lost. */
  epochsKept: 64,
  /** Types, and missing capabilities, that a backlog tells apart; the rest is told together. */
  backlogTypesMax: 50,
  /** How old a backlog may be when it is asked for again. */
  backlogMs: 2_000,

  /** Types, and agents, of a tenant that are counted apart in an hour; the rest is counted together. */
  statsKeysMax: 1_000,
  /** How long counts by the minute and by the hour are kept. */
  statsMinutesMs: 3 * 3_600_000,
  statsHoursMs: 31 * 24 * 3_600_000,

  nameBytes: 128,
  capabilitiesMax: 64,
  requirementsMax: 32,
  selectorsMax: 16,
  selectorBytes: 512,
  /** Of sticky and concurrency keys. */
  workKeyBytes: 256,
  concurrencyMax: 10_000,
  stickyMs: 3_600_000,
  /** Of a tenant. Beyond it a new key sticks to nobody. */
  stickyKeysMax: 100_000,
  labelsMax: 32,
  labelBytes: 256,
  metadataBytes: 16 * 1024,
  /** Ids of entities and sessions, as clients name them. */
  idBytes: 128,
  /** A fencing token: decimal digits. */
  tokenDigits: 20,
  cursorBytes: 256,
  /** An API key or JWT in HELLO and REAUTH. */
  credentialBytes: 4 * 1024,
  endpointBytes: 1_024,
  scopesMax: 64,
  featuresMax: 32,
  /** Faults that INVALID_PARAMS names; the rest is left out. */
  faultsMax: 32,
  capacityMax: 10_000,
  weightMax: 1_000_000,
  costMax: 1_000_000_000_000,
  delayMsMax: 366 * 24 * 3_600_000,
  timeoutMsMin: 100,
  /** The shortest interval at which progress of one task enters the log. */
  progressMs: 1_000,

  retry: { maxAttempts: 5, initialDelayMs: 1_000, maxDelayMs: 60_000, factor: 2 },
  attemptsMax: 1_000,
  retryDelayMsMax: 24 * 3_600_000,
  retryFactorMax: 100,
  /** Infrastructure losses of one task; at the bound it goes to the dead letters. */
  lossesMax: 100,
  /** Agents that one task excludes because they rejected it or did not confirm; the oldest is forgotten. Those that handed it on come on top. */
  excludedMax: 64,

  /** Of a tenant: LIMIT_EXCEEDED. */
  schedulesMax: 10_000,
  schedulesBytesMax: 256 * 1024 * 1024,
  everyMsMin: 1_000,
  cronBytes: 128,
  timeZoneBytes: 64,
  /** Missed occurrences that are run at once: the newest. */
  missedRunsMax: 100,
  missedRuns: 10,
  jitterMsMax: 24 * 3_600_000,
  /** An occurrence that is later than this was missed. */
  scheduleLateMs: 30_000,
  /** Occurrences of a schedule that its view tells; the oldest are forgotten. */
  scheduleRunsKept: 20,
  /** How long a schedule that has ended can be read. */
  scheduleEndedMs: 7 * 24 * 3_600_000,
  /** Instants that `schedule.get` foresees. */
  upcoming: 5,
  upcomingMax: 50,
  /** Of one message to a running task; larger: TOO_LARGE. */
  steerBytes: 16 * 1024,
  /** Messages of one task that are kept for its holder, and for the next one. Acknowledged ones make room; else LIMIT_EXCEEDED. */
  steersMax: 64,
  steersBytesMax: 32 * 1024,
  /** Questions of one task, open ones and answers that its holder has not acknowledged; more: LIMIT_EXCEEDED. */
  asksMax: 8,
  questionBytes: 2 * 1024,
  choicesMax: 8,
  choiceBytes: 128,
  answerBytesMax: 4 * 1024,
  /** What one task hands out before it has ended; more: LIMIT_EXCEEDED, and the task goes on. */
  outputBytesMax: 4 * 1024 * 1024,
  outputPiecesMax: 16_384,
  /** The newest pieces of a task that may be sent again. */
  outputRepeatsMax: 16,
  /** Output in the store, per tenant: older pieces, and what is over the bytes, are forgotten, the oldest first. */
  outputMs: 30 * 24 * 3_600_000,
  outputBytes: 2 * 1024 * 1024 * 1024,
  /** How far below a root a task may stand, tasks directly below one, tasks below a root; counted as long as it is in memory. */
  treeDepthMax: 16,
  childrenMax: 10_000,
  treeTasksMax: 100_000,
  /** How often one task is handed on, those above it counted. */
  delegationsMax: 8,
  /** Parts of a distributed task, and of `each`. */
  partsMax: 500,
  eachMax: 200,
  /** Outputs of parts that an undecided task keeps for its result; further ones are left out of it. */
  partsBytes: 48 * 1024,
  partsItemsMax: 3_000,
  /** Ended tasks that one `task.childEnded` names; the rest is counted. */
  childrenTold: 64,
  /** Tasks of trees that end with an entry because of what stood above them; the others with the next. */
  prunedMax: 64,
  /** The same with an entry that has requests: those are answered when all of it is done. */
  prunedBesideMax: 16,

  /** Failures that a task tells; the oldest are forgotten. Of a message so much. */
  errorsKept: 16,
  errorKeptBytes: 512,
  /** Letters of a tenant that were edited, replayed or discarded, until they are forgotten anyway: LIMIT_EXCEEDED. */
  lettersMax: 200_000,
  /** Edits of open letters: LIMIT_EXCEEDED. */
  lettersBytesMax: 64 * 1024 * 1024,
  /** Runs over many letters of a tenant that go on: LIMIT_EXCEEDED. Of those that have ended the newest so many are kept. */
  letterRunsMax: 8,
  letterRunsKept: 100,
  /** Letters that one command of a run handles, and how many it replays in a second. */
  lettersPerFeed: 32,
  lettersPerSecond: 50,
  lettersPerSecondMax: 1_000,

  /** A path of a lock. */
  lockPathBytes: 200,
  lockSegmentsMax: 8,
  /** Paths of one lock. */
  lockPathsMax: 32,
  /** How often one lock is acquired by its owner before it releases it; more: REENTRY_LIMIT. */
  lockCountMax: 255,
  /** Locks and requests for locks, of an owner and of a tenant (of these each path counts): LIMIT_EXCEEDED. */
  locksPerOwnerMax: 1_000,
  locksMax: 100_000,
  /** Paths that one task locks. */
  taskLocksMax: 8,
  /** Requests that wait for one path: QUEUE_FULL. */
  lockQueueMax: 1_000,
  /** Of a lock with a time of its own. */
  lockTtlMs: 30_000,
  lockTtlMsMax: 24 * 3_600_000,
  lockGraceMsMax: 120_000,
  /** How long nobody else gets what was lost; the default of what is not this server's. */
  lockDelayMs: 15_000,
  lockDelayMsMax: 60_000,
  /** Requests and owners that one search for a circle of waits looks at; beyond it the request is refused: LIMIT_EXCEEDED. */
  lockSearchMax: 20_000,
  /** Requests of a circle that are told. */
  lockCycleMax: 32,
  /** Requests that one step of granting looks at. */
  lockLooksMax: 256,
  /** What keeps a request, in `lock.graph`. */
  lockBlockersMax: 16,

  /** Workspaces of a tenant, and those that one principal is a member of: LIMIT_EXCEEDED. */
  workspacesMax: 10_000,
  workspacesOfMemberMax: 1_000,
  /** The highest quota of members that can be set. */
  workspaceMembersMax: 10_000,
  workspaceDescriptionBytes: 4_096,
  workspaceFeaturesMax: 32,
  /** What a workspace may use unless it is said; only an administrator of the tenant sets more. */
  workspaceQuotas: {
    storageBytes: 10 * 1024 * 1024 * 1024,
    cpuSeconds: 1_000_000_000,
    members: 100,
    documents: 1_000,
    agents: 50,
    operations: 100_000,
  },
  /** Keys of the shared state of a workspace, its bytes with those of its snapshots in a tenant, snapshots of one: LIMIT_EXCEEDED. */
  stateKeysMax: 10_000,
  stateBytesMax: 4 * 1024 * 1024,
  statesBytesMax: 512 * 1024 * 1024,
  snapshotsMax: 16,
  /** Operations of one `state.apply`, and their bytes; elements of a set. */
  stateOpsMax: 100,
  stateOpsBytes: 64 * 1024,
  stateSetMax: 1_000,
  /** Sessions that say they are present in one workspace: LIMIT_EXCEEDED. */
  presencesMax: 10_000,
  locationBytes: 256,
  /** Changes of presence are told together, so long after the last ones. */
  presenceMs: 1_000,

  /** Documents of a tenant, sections of one, conflicts of one that are open: LIMIT_EXCEEDED. */
  documentsMax: 10_000,
  documentSectionsMax: 1_000,
  documentConflictsMax: 16,
  /** Versions of a document that are kept under a name: LIMIT_EXCEEDED. */
  documentSnapshotsMax: 64,
  /** Comments on a document: LIMIT_EXCEEDED; bytes of one: TOO_LARGE. */
  commentsMax: 256,
  commentBytes: 4_096,
  /** Of a document: TOO_LARGE. */
  documentBytes: 10 * 1024 * 1024,
  /** Blobs of a tenant, and of one principal, that have not come whole: LIMIT_EXCEEDED. One left alone for so long is forgotten. */
  uploadsMax: 64,
  uploadsOfPrincipalMax: 8,
  uploadMs: 3_600_000,
  /** Pieces of a tenant that wait to be written: UNAVAILABLE. */
  uploadPiecesMax: 256,
  /** The newest versions of a document that can be edited from, and kept under a name. */
  documentVersionsKept: 64,
  /** Older versions of all documents of a tenant, with the texts that they alone have: the oldest are forgotten. */
  documentArchiveBytes: 4 * 1024 * 1024 * 1024,
  /** What is searched for in documents, words and phrases in it, and of what was found the characters that are shown. */
  searchBytes: 1_024,
  searchTermsMax: 16,
  searchExcerpt: 320,
  /** Documents of a tenant that may be missing in its index when a search waits for them; more: UNAVAILABLE. Searches that wait. */
  searchBehindMax: 1_000,
  searchesMax: 1_000,

  /** Text of a notification. */
  notificationBytes: 4_096,
  /** Agents that one notification names. */
  notificationAgentsMax: 100,
  /** For how long a notification is kept for agents that are away. */
  notificationTtlMs: 24 * 3_600_000,
  notificationTtlMsMax: 7 * 24 * 3_600_000,
  /** Notifications kept for one audience (an agent, a capability, everyone) and in a tenant; the lowest gives way, or LIMIT_EXCEEDED. */
  notificationsKept: 256,
  notificationsKeptMax: 16_384,
  notificationsKeptBytes: 32 * 1024 * 1024,
  /** Audiences of which it is known up to where something gave way; of more it is said of everyone. */
  notificationFloorsMax: 1_024,

  strategiesMax: 1_000,
  /** Of a tenant; more: LIMIT_EXCEEDED. */
  rulesMax: 200,
  /** An order is 0 to this. */
  ruleOrderMax: 1_000_000,
  /** One expression: its source, its tree as nodes, how deep it nests and what it may cost at most; more: INVALID_PARAMS. */
  ruleSourceBytes: 2_048,
  ruleNodesMax: 256,
  ruleDepthMax: 20,
  ruleCostMax: 100_000,
  /** Steps of one evaluation, elements of a list in it, characters of a text that it makes; more: the expression fails. */
  ruleStepsMax: 10_000,
  ruleListMax: 1_000,
  ruleTextMax: 4_096,
  /** Agents (or tasks) that are tried with filters which read the task before others get their turn. */
  ruleTriesMax: 64,
  /** Per tenant. At the bound: UNAVAILABLE, for sessions end by themselves. */
  sessionsMax: 100_000,
  /** The same: LIMIT_EXCEEDED. */
  agentsMax: 100_000,
  tasksMax: 1_000_000,
  tasksBytesMax: 2 * 1024 * 1024 * 1024,
  /** Finished tasks that stay in memory; older ones are read from the store. */
  finishedKept: 512,
  apiKeysMax: 10_000,
  /** One that was revoked or has expired is listed for so long; at the bound above the one that ended first goes at once. */
  apiKeyKeptMs: 30 * 24 * 3_600_000,
  tenantsMax: 1_000,
  latestMax: 10_000,

  /** Tasks that one proposal moves from agent to agent; the next one goes on. */
  movesMax: 64,

  /** Internal commands in one entry; the rest waits in the state for `continue`. */
  followUpsMax: 256,
  /** Commands in one log entry. */
  entryCommandsMax: 64,
  /** What one append to the log takes: each command counts 1, and as much again for each task that it makes; the rest waits its turn. */
  appendCostMax: 512,
  /** Of that, a session's in each turn. */
  turnCost: 16,
  /** Entries that are durable and not applied; with so many nothing more is appended. */
  entriesBehindMax: 4,
  /** Beside other nodes: one that has waited for an entry for longer takes no new work and no new connection. */
  lagMsMax: 3_000,
  /** Beside other nodes: the state is hashed once in so long a time of the log. */
  auditMs: 30_000,
  /** Commands waiting for the log in one node; more: UNAVAILABLE. */
  pendingCommandsMax: 20_000,

  ringPushesMax: 100_000,
  ringBytes: 64 * 1024 * 1024,
  historyMs: 3_600_000,
  /** Kept pushes that are looked at for those that a pattern means; the rest by asking again. */
  historySearchMax: 16_384,
  historyBytes: 512 * 1024 * 1024,
  /** Finished tasks, per tenant: older ones, and what is over the bytes, are forgotten. Dead letters have their own. */
  finishedMs: 30 * 24 * 3_600_000,
  finishedBytes: 2 * 1024 * 1024 * 1024,
  deadLetterMs: 90 * 24 * 3_600_000,
  deadLetterBytes: 2 * 1024 * 1024 * 1024,

  /** Outbound per connection. Grants and reliable: then caught up from the ring; latest and ephemeral: oldest dropped. */
  outboundBytes: 1024 * 1024,
  outboundFrames: 1_024,
  /** Bytes handed to the socket and not yet taken by it, above which nothing more is handed over. */
  socketBytes: 256 * 1024,
  /** A socket that takes less than `slowBytes` in so long while more wait: close SLOW. */
  slowMs: 30_000,
  slowBytes: 4 * 1024,

  /** Tasks whose trace a node knows, where it traces; the oldest is forgotten and goes on untraced. */
  tracedTasks: 20_000,
  /** Connections of one node; more: close OVERLOADED. */
  connectionsMax: 50_000,
  /** Connections at once of a tenant and of a principal: close OVERLOADED. Of an address (IPv6: of 64 bits), of those whose
   * HELLO was not taken yet, and of those from one address: HTTP 503. */
  connections: { tenant: 40_000, principal: 20_000, address: 20_000, strangers: 10_000, strangersOfAddress: 8_000 },
  /** Upgrades taken in a second, by the node and from one address: HTTP 503. */
  accepts: { perSecond: 10_000, perSecondOfAddress: 5_000 },
  /** Requests of a principal in a second, by class of the method; more: RATE_LIMIT_EXCEEDED, but for ends of work. */
  rates: { session: 20_000, work: 50_000, hold: 50_000, control: 20_000, query: 20_000, admin: 1_000 },
  /** Bytes of a principal's messages in a second: the same. */
  bytesPerSecond: 128 * 1024 * 1024,
  /** Fresh sessions of a principal in a minute: close OVERLOADED. One that breaks off stays for `resumeWindowMs`, so these are less than
   * `sessionsMax`: no principal alone keeps its tenant from opening sessions. */
  sessionsPerMinute: 8_000,
  /** A HELLO that was refused at a bound of connections may come again. */
  fullRetryMs: 5_000,
  /** PINGs of a connection in a second, of the protocol: a protocol fault each; of WebSockets: close 1008. */
  pingsPerSecond: 100,
  /** Bytes of answers that wait for a client which does not read; above it requests get RATE_LIMIT_EXCEEDED. */
  answerBytes: 4 * 1024 * 1024,
  /** Frames of class control that wait for a client which does not read; more: close SLOW. */
  controlFrames: 2_048,
  /** Wrong credentials from one address within the window that are answered at once; then the answer waits, doubling. */
  authFailuresFree: 5,
  authWindowMs: 60_000,
  authDelayMs: 100,
  authDelayMsMax: 2_000,
  /** Addresses whose failures are counted; the oldest is forgotten. */
  authAddressesMax: 10_000,
  /** Warning before a credential expires: this share of its remaining life, but at least `authWarnMsMin`. */
  authWarnPercent: 20,
  authWarnMsMin: 30_000,
  /** An orderly stop: clients leave within this time, then the rest is closed. */
  drainMs: 5_000,

  /** Below either, new work is refused with UNAVAILABLE; ends of work still pass. */
  diskFreeBytes: 512 * 1024 * 1024,
  diskFreePercent: 5,
} as const;
