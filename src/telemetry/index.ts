/** Logs, metrics and traces of the process. */
export { openTraces, traceTo, type Traces } from './otel.ts';
export { createLog, type LogLevel, type LogOptions } from './log.ts';
export { Metrics, type MetricsOptions } from './metrics.ts';
