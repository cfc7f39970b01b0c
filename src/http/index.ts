/** The HTTP port: health, readiness, metrics. */
export { listenHttp, type HttpListener, type HttpOptions } from './server.ts';
