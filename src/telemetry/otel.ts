/**
 * Where spans go: OpenTelemetry, set up by its standard environment variables.
 *
 * Owns: whether there are traces at all, loading the packages, flushing at the end. Does not own: which spans there are (tracing.ts).
 *
 * O1 Without one of the variables nothing of OpenTelemetry is loaded.
 */
import type { SpanProcessor } from '@opentelemetry/sdk-trace-base';
import { SpanTracing } from './tracing.ts';

export interface Traces {
  readonly tracing: SpanTracing;
  /** Sends what has not been sent. */
  stop(): Promise<void>;
}

/** A collector that does not answer does not keep the server from stopping. */
const STOP_MS = 5_000;

export type Environment = { readonly [name: string]: string | undefined };

export type ExporterName = 'otlp' | 'console' | 'none';

/** What the variables ask for; or, as an error, what they ask for and cannot have. */
export function exporterOf(env: Environment): ExporterName | Error {
  const { OTEL_SDK_DISABLED: disabled, OTEL_TRACES_EXPORTER: named } = env;
  if (disabled?.trim().toLowerCase() === 'true') return 'none';
  const wanted = named?.trim() ?? '';
  if (wanted === '') return hasEndpoint(env) ? otlp(env) : 'none';
  if (wanted === 'otlp') return otlp(env);
  if (wanted === 'console' || wanted === 'none') return wanted;
  return new Error(`OTEL_TRACES_EXPORTER is ${wanted}; Muster knows otlp, console and none.`);
}

function hasEndpoint(env: Environment): boolean {
  return [env['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT'], env['OTEL_EXPORTER_OTLP_ENDPOINT']].some(
    (endpoint) => endpoint !== undefined && endpoint.trim() !== '',
  );
}

function otlp(env: Environment): ExporterName | Error {
  const protocol = env['OTEL_EXPORTER_OTLP_TRACES_PROTOCOL'] ?? env['OTEL_EXPORTER_OTLP_PROTOCOL'] ?? '';
  if (protocol === '' || protocol.startsWith('http/')) return 'otlp';
  return new Error(`OTEL_EXPORTER_OTLP_PROTOCOL is ${protocol}; Muster sends OTLP over HTTP as JSON.`);
}

/** Undefined: nothing is traced. Rejects for variables that ask for what there is not. */
export async function openTraces(env: Environment, version: string): Promise<Traces | undefined> {
  const name = exporterOf(env);
  if (name instanceof Error) throw name;
  if (name === 'none') return undefined; // O1
  const { BatchSpanProcessor, ConsoleSpanExporter, SimpleSpanProcessor } =
    await import('@opentelemetry/sdk-trace-base');
  if (name === 'console') return traceTo(new SimpleSpanProcessor(new ConsoleSpanExporter()), version);
  const { OTLPTraceExporter } = await import('@opentelemetry/exporter-trace-otlp-http');
  return traceTo(new BatchSpanProcessor(new OTLPTraceExporter()), version);
}

/** To a processor of the caller's. */
export async function traceTo(processor: SpanProcessor, version: string): Promise<Traces> {
  const [
    { ROOT_CONTEXT, trace },
    { BasicTracerProvider },
    { defaultResource, detectResources, envDetector, resourceFromAttributes },
  ] = await Promise.all([
    import('@opentelemetry/api'),
    import('@opentelemetry/sdk-trace-base'),
    import('@opentelemetry/resources'),
  ]);
  // What the environment says wins.
  const own = resourceFromAttributes({ 'service.name': 'muster', 'service.version': version });
  const resource = defaultResource()
    .merge(own)
    .merge(detectResources({ detectors: [envDetector] }));
  const provider = new BasicTracerProvider({ resource, spanProcessors: [processor] });
  const tracing = new SpanTracing({
    trace,
    root: ROOT_CONTEXT,
    tracer: provider.getTracer('muster', version),
    originMs: performance.timeOrigin,
  });
  return { tracing, stop: () => within(STOP_MS, provider.shutdown()) };
}

/** What could not be sent by then is lost. */
async function within(ms: number, work: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const patience = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([work.catch(() => undefined), patience]);
  clearTimeout(timer);
}
