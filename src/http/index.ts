/** The HTTP port: health, readiness, metrics, blobs. */
export type { BlobService } from './blobs.ts';
export { listenHttp, type HttpListener, type HttpOptions } from './server.ts';
