/** Kinds of frames of the bare lock server: `[kind, request, path]`, where `request` is a number of the connection's own. */
export const LockKind = { ACQUIRE: 1, QUEUED: 2, GRANTED: 3, RELEASE: 4, RELEASED: 5 } as const;
