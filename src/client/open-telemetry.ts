/**
 * The traces of a user's program, by the OpenTelemetry API that the program has: the SDK depends on none.
 *
 * A1 A request carries the context that is active where it is made.
 * A2 A handler runs in the context of the order that it was given, so that its spans and requests hang below it.
 */
import type { StartJob } from './agent-core.ts';

/** What is used of `@opentelemetry/api`, which fits as it is. */
export interface OpenTelemetryApi {
  readonly context: {
    active(): unknown;
    with<R>(context: unknown, run: () => R): R;
  };
  readonly propagation: {
    inject(context: unknown, carrier: object): void;
    extract(context: unknown, carrier: object): unknown;
  };
}

/** W3C: a version, 32 and 16 hexadecimal digits, and flags. */
const TRACEPARENT = /^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/;

/** A1 */
export function activeTraceparent({ context, propagation }: OpenTelemetryApi): string | undefined {
  const carrier: { traceparent?: unknown } = {};
  propagation.inject(context.active(), carrier);
  const { traceparent } = carrier;
  return typeof traceparent === 'string' && TRACEPARENT.test(traceparent) ? traceparent : undefined;
}

/** A2 */
export function inContext(start: StartJob, { context, propagation }: OpenTelemetryApi): StartJob {
  return (job, handle) => {
    const { traceparent } = job;
    if (traceparent === undefined) return start(job, handle);
    const extracted = propagation.extract(context.active(), { traceparent });
    return context.with(extracted, () => start(job, handle));
  };
}
