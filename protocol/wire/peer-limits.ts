/**
 * Bounds and times that a client knows too, apart from those of the server alone, so that a page does not load all of them. A server
 * and its parts take all of them from `LIMITS`.
 */
export const PEER_LIMITS = {
  /** One frame; larger: close PROTOCOL_ERROR. */
  frameBytes: 256 * 1024,
  /** One WebSocket message; larger: close 1009 or PROTOCOL_ERROR. */
  messageBytes: 1024 * 1024,
  /** Frames in one message; more: close PROTOCOL_ERROR. */
  framesPerMessage: 64,
  /** The message that carries HELLO; larger: close PROTOCOL_ERROR. */
  helloBytes: 16 * 1024,
  helloMs: 10_000,
  /** Nesting of arrays and maps in a frame; deeper: close PROTOCOL_ERROR. */
  depthMax: 32,
  /** Values in a frame (each key, element and container counts one); more: close PROTOCOL_ERROR. */
  itemsMax: 10_000,
  /** One map key; longer: close PROTOCOL_ERROR. */
  keyBytes: 128,
  /** Unanswered requests of a session; more: ERROR RATE_LIMIT_EXCEEDED, not executed. */
  inFlight: 256,
  idempotencyKeyBytes: 64,
  subsHelloMax: 32,
  pageMax: 200,
  typeBytes: 128,
  reasonBytes: 1_024,
  errorMessageBytes: 8 * 1024,
  /** Parameters or output that travel in a frame; larger: TOO_LARGE. */
  payloadBytes: 64 * 1024,
  runningMax: 10_000,
  lockWaitMsMax: 600_000,
  lockTtlMsMin: 1_000,
  /** How long the owner of a lock may be away. */
  lockGraceMs: 15_000,
  /** Of what is sent of one in a message; more is put and fetched as blobs: TOO_LARGE. */
  documentInlineBytes: 256 * 1024,
  /** Of one piece of a blob: TOO_LARGE. */
  blobPieceBytes: 128 * 1024,
  reconnectInitialMs: 500,
  reconnectFactor: 2,
  reconnectMaxMs: 15_000,
} as const;
