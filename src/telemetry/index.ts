/** Logs and metrics of the process. */
export { createLog, LOG_LEVELS, type LogLevel, type LogOptions } from './log.ts';
export { Metrics, type MetricsOptions } from './metrics.ts';
