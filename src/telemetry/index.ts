/** Logs and metrics of the process. */
export { createLog, type LogLevel, type LogOptions } from './log.ts';
export { Metrics, type MetricsOptions } from './metrics.ts';
