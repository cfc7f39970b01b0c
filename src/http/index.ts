/** The HTTP port: health, readiness, metrics, pages of the operator, blobs. */
export type { Authenticate } from './asker.ts';
export type { BlobService } from './blobs.ts';
export { listenHttp, type AdminAccess, type HttpListener, type HttpOptions } from './server.ts';
