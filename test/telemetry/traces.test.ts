/** One trace from a caller through the server to an agent and back, and what there is when nothing is traced. */
import { context, propagation, ROOT_CONTEXT, trace, type ContextManager } from '@opentelemetry/api';
import { InMemorySpanExporter, SimpleSpanProcessor, type ReadableSpan } from '@opentelemetry/sdk-trace-base';
import { AsyncLocalStorage } from 'node:async_hooks';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { TaskView } from '../../protocol/wire/types.ts';
import { must } from '../../src/base/assert.ts';
import { connect, type Client, type NodeClientOptions } from '../../src/client/node.ts';
import { serve, type RunningServer } from '../../src/main.ts';
import { traceTo } from '../../src/telemetry/index.ts';
import { exporterOf } from '../../src/telemetry/otel.ts';
import { parseTraceparent, SpanTracing, traceparentOf } from '../../src/telemetry/tracing.ts';
import { until } from '../support/until.ts';

const CALLER = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';

describe('traceparent', () => {
  it('is read as W3C has it', () => {
    expect(parseTraceparent(CALLER)).toEqual({
      traceId: TRACE,
      spanId: '00f067aa0ba902b7',
      traceFlags: 1,
      isRemote: true,
    });
    expect(parseTraceparent(CALLER.replace(/1$/, '0'))?.traceFlags).toBe(0);
    expect(parseTraceparent(`cc${CALLER.slice(2)}-what-comes`)?.traceId).toBe(TRACE);
    for (const wrong of [
      '',
      'x',
      `ff${CALLER.slice(2)}`,
      `${CALLER}-more`,
      CALLER.toUpperCase(),
      CALLER.replace(TRACE, '0'.repeat(32)),
      CALLER.replace('00f067aa0ba902b7', '0'.repeat(16)),
    ])
      expect(parseTraceparent(wrong), wrong).toBeUndefined();
    expect(traceparentOf(must(parseTraceparent(CALLER), 'a context'))).toBe(CALLER);
  });
});

describe('the environment', () => {
  it('says whether there are traces', () => {
    const endpoint = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:4318' };
    expect(exporterOf({})).toBe('none');
    expect(exporterOf({ OTEL_SERVICE_NAME: 'x' })).toBe('none');
    expect(exporterOf(endpoint)).toBe('otlp');
    expect(exporterOf({ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://x' })).toBe('otlp');
    expect(exporterOf({ OTEL_TRACES_EXPORTER: 'otlp' })).toBe('otlp');
    expect(exporterOf({ OTEL_TRACES_EXPORTER: 'console' })).toBe('console');
    expect(exporterOf({ ...endpoint, OTEL_TRACES_EXPORTER: 'none' })).toBe('none');
    expect(exporterOf({ ...endpoint, OTEL_SDK_DISABLED: 'true' })).toBe('none');
    expect(exporterOf({ ...endpoint, OTEL_EXPORTER_OTLP_PROTOCOL: 'http/protobuf' })).toBe('otlp');
    expect(exporterOf({ ...endpoint, OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' })).toBeInstanceOf(Error);
    expect(exporterOf({ OTEL_TRACES_EXPORTER: 'zipkin' })).toBeInstanceOf(Error);
  });
});

/** The active context over awaits, as programs have it. */
class LocalContexts implements ContextManager {
  readonly #storage = new AsyncLocalStorage<ReturnType<ContextManager['active']>>();

  active(): ReturnType<ContextManager['active']> {
    return this.#storage.getStore() ?? ROOT_CONTEXT;
  }

  with: ContextManager['with'] = (active, fn, thisArg, ...args) =>
    this.#storage.run(active, () => fn.apply(thisArg, args));

  bind<T>(_context: ReturnType<ContextManager['active']>, target: T): T {
    return target;
  }

  enable(): this {
    return this;
  }

  disable(): this {
    return this;
  }
}

describe('a server that traces', () => {
  const data = mkdtempSync(join(tmpdir(), 'muster-traces-'));
  const exporter = new InMemorySpanExporter();
  const clients: Client[] = [];
  let server: RunningServer;

  beforeAll(async () => {
    const traces = await traceTo(new SimpleSpanProcessor(exporter), '0.0.0');
    server = await serve({ port: 0, httpPort: 0, data, logLevel: 'silent' }, { traces });
    context.setGlobalContextManager(new LocalContexts());
    propagation.setGlobalPropagator({
      inject: (active, carrier, setter) => {
        const span = trace.getSpanContext(active);
        if (span !== undefined) setter.set(carrier, 'traceparent', traceparentOf(span));
      },
      extract: (active, carrier, getter) => {
        const span = parseTraceparent(String(getter.get(carrier, 'traceparent')));
        return span === undefined ? active : trace.setSpanContext(active, span);
      },
      fields: () => ['traceparent'],
    });
  });

  afterEach(async () => {
    for (const client of clients.splice(0)) await client.close();
    exporter.reset();
  });

  afterAll(async () => {
    context.disable();
    propagation.disable();
    await server.stop();
    rmSync(data, { recursive: true, force: true });
  });

  async function open(options: NodeClientOptions = {}): Promise<Client> {
    const client = await connect({ url: server.url, key: must(server.firstKey, 'a first key'), ...options });
    clients.push(client);
    return client;
  }

  const named = (name: string): ReadableSpan[] => exporter.getFinishedSpans().filter((span) => span.name === name);
  const within = (traceparent: string, fn: () => Promise<unknown>): Promise<unknown> =>
    context.with(trace.setSpanContext(ROOT_CONTEXT, must(parseTraceparent(traceparent), 'a context')), fn);

  /** Names of spans by the path from the caller. */
  function paths(): string[] {
    const spans = exporter.getFinishedSpans();
    const byId = new Map(spans.map((span) => [span.spanContext().spanId, span]));
    const path = (span: ReadableSpan): string => {
      const parent = span.parentSpanContext === undefined ? undefined : byId.get(span.parentSpanContext.spanId);
      return parent === undefined ? span.name : `${path(parent)} > ${span.name}`;
    };
    return spans.filter((span) => span.spanContext().traceId === TRACE).map(path);
  }

  const STEPS = ['prepare', 'append', 'apply'];
  const inLog = (path: string): string[] => [path, ...STEPS.map((step) => `${path} > ${step}`)];
  const without = (name: string, all: string[]): string[] => all.filter((path) => !path.endsWith(name));

  it.each([
    ['that knows nothing of traces', {}],
    ['that gives its API', { openTelemetry: { context, propagation } }],
  ])('makes one trace of a task, with an agent %s', async (_name, more) => {
    const agent = await open({ agent: { name: 'a', capabilities: ['greet'] }, ...more });
    let inside: string | undefined;
    agent.agent.handle('greet', async (_task, job) => {
      inside = trace.getSpanContext(context.active())?.traceId;
      await job.checkpoint({ half: true });
      await agent.task.list({ limit: 1 });
      return 'done';
    });
    const caller = await open({ openTelemetry: { context, propagation } });
    let task: TaskView | undefined;
    await within(CALLER, async () => {
      task = (await caller.task.create({ type: 'greet' })).task;
    });
    expect((await caller.task.wait(must(task, 'a task'))).result).toBe('done');
    const push = 'task.create > push task.assigned';
    await until(() => named('task.complete').length > 0, 'the end of the trace');

    const listed = 'openTelemetry' in more ? [`${push} > task.list`] : [];
    expect(without('queue', paths()).toSorted()).toEqual(
      [
        ...inLog('task.create'),
        push,
        ...inLog(`${push} > task.start`),
        ...inLog(`${push} > task.checkpoint`),
        ...inLog(`${push} > task.complete`),
        ...listed,
      ].toSorted(),
    );
    expect(inside).toBe('openTelemetry' in more ? TRACE : undefined);
    const [created] = named('task.create');
    expect(created).toMatchObject({
      parentSpanContext: { spanId: '00f067aa0ba902b7', isRemote: true },
      attributes: { 'rpc.method': 'task.create', 'muster.tenant': 'default' },
    });
    const [apply] = named('apply');
    const [append] = named('append');
    const ms = ([seconds, nanos]: readonly [number, number]): number => seconds * 1_000 + nanos / 1e6;
    const times = [created?.startTime, append?.startTime, append?.endTime, apply?.endTime, created?.endTime];
    const all = times.map((time) => ms(must(time, 'a time')));
    expect(all).toEqual(all.toSorted((a, b) => a - b));
    expect(Math.abs((all[0] ?? 0) - Date.now())).toBeLessThan(60_000);
  });

  it('keeps the trace of a task over an attempt that failed', async () => {
    const agent = await open({ agent: { name: 'a', capabilities: ['greet'] } });
    agent.agent.handle('greet', (task) => {
      if (task.attempt === 1) throw new Error('not yet');
      return 'done';
    });
    const caller = await open({ openTelemetry: { context, propagation } });
    await within(CALLER, () => caller.task.run({ type: 'greet', retry: { initialDelayMs: 0 } }));
    await until(() => named('task.complete').length > 0, 'the end of the trace');
    const first = 'task.create > push task.assigned';
    expect(paths()).toContain(`${first} > task.fail`);
    const back = paths().filter((path) => path.endsWith('retry') || path.endsWith('requeue'));
    expect(back).toHaveLength(1);
    expect(back[0]?.startsWith(`${first} > `)).toBe(true);
    expect(paths()).toContain(`${first} > push task.assigned > task.complete`);
  });

  it('begins one for each task that a schedule makes, and goes on in that of who triggers it', async () => {
    const agent = await open({ agent: { name: 'a', capabilities: ['greet'] } });
    agent.agent.handle('greet', () => 'done');
    const caller = await open({ openTelemetry: { context, propagation } });
    const { schedule } = await caller.schedule.create({ delayMs: 1, task: { type: 'greet' } });
    await until(() => named('schedule.ran').length === 1, 'the task of the schedule');
    await until(() => named('task.complete').length === 1, 'its end');
    const ran = must(named('schedule.ran')[0], 'a span');
    const push = must(named('push task.assigned')[0], 'a span');
    expect(ran.parentSpanContext).toBeUndefined();
    expect(ran.attributes).toMatchObject({ 'muster.schedule': schedule.id, 'muster.tenant': 'default' });
    expect(push.parentSpanContext?.spanId).toBe(ran.spanContext().spanId);
    expect(named('task.complete')[0]?.parentSpanContext?.spanId).toBe(push.spanContext().spanId);
    const hourly = await caller.schedule.create({ everyMs: 3_600_000, task: { type: 'greet' } });
    await within(CALLER, () => caller.schedule.trigger({ id: hourly.schedule.id }));
    await until(() => named('task.complete').length === 2, 'the end of the other');
    expect(paths()).toContain('schedule.trigger > push task.assigned > task.complete');
    expect(named('schedule.ran')).toHaveLength(1);
  });

  it('goes on in the trace of who tries a dead letter again', async () => {
    const agent = await open({ agent: { name: 'a', capabilities: ['greet'] } });
    let tries = 0;
    agent.agent.handle('greet', () => {
      tries += 1;
      if (tries === 1) throw new Error('not yet');
      return 'done';
    });
    const caller = await open({ openTelemetry: { context, propagation } });
    const { task } = await caller.task.create({ type: 'greet', retry: { maxAttempts: 1 } });
    await caller.task.wait(task);
    await within(CALLER, () => caller.task.retry({ id: task.id }));
    await until(() => named('task.complete').length === 1, 'its end');
    expect(paths()).toContain('task.retry > push task.assigned > task.complete');
  });

  it('does not follow what the caller does not sample', async () => {
    const caller = await open({ openTelemetry: { context, propagation } });
    const agent = await open({ agent: { name: 'a', capabilities: ['greet'] } });
    agent.agent.handle('greet', () => 'done');
    await within(CALLER.replace(/1$/, '0'), () => caller.task.run({ type: 'greet' }));
    expect(paths()).toEqual([]);
    expect(named('task.create')).toEqual([]);
  });

  it('begins a trace of its own where the caller names none', async () => {
    const caller = await open();
    await caller.task.create({ type: 'nobody' });
    await until(() => named('task.create').length === 1, 'a span');
    expect(named('task.create')[0]?.parentSpanContext).toBeUndefined();
  });

  it('says what was refused', async () => {
    const caller = await open();
    await expect(caller.task.cancel({ id: 'tsk_none' })).rejects.toMatchObject({ code: 'TASK_NOT_FOUND' });
    await until(() => named('task.cancel').length === 1, 'a span');
    expect(named('task.cancel')[0]?.attributes).toMatchObject({
      'error.type': 'TASK_NOT_FOUND',
      'muster.task': 'tsk_none',
    });
  });
});

describe('the contexts of tasks', () => {
  it('are those of the order that began the attempt, whatever is ordered later', async () => {
    const exporter = new InMemorySpanExporter();
    const { tracing } = await traceTo(new SimpleSpanProcessor(exporter), '0.0.0');
    tracing.follow('t', 'tsk_1', must(parseTraceparent(CALLER), 'a context'));
    for (const event of ['task.assigned', 'task.paused'])
      tracing.order({ tenant: 't', task: 'tsk_1', event, at: performance.now() });
    const asked = { tenant: 't', session: 's', traceparent: undefined, at: performance.now() };
    tracing
      .request({ ...asked, method: 'task.progress', params: { id: 'tsk_1', token: '1' } })
      ?.ended(asked.at, undefined);
    tracing.request({ ...asked, method: 'task.get', params: { id: 'tsk_1' } })?.ended(asked.at, undefined);
    const [assigned, paused, progress, read] = exporter.getFinishedSpans();
    expect(paused?.name).toBe('push task.paused');
    expect(progress?.parentSpanContext?.spanId).toBe(assigned?.spanContext().spanId);
    expect(read?.parentSpanContext).toBeUndefined();
  });

  it('say how long a task waited to be given again, and why', async () => {
    const exporter = new InMemorySpanExporter();
    const { tracing } = await traceTo(new SimpleSpanProcessor(exporter), '0.0.0');
    tracing.follow('t', 'tsk_1', must(parseTraceparent(CALLER), 'a context'));
    const order = (at: number): void => void tracing.order({ tenant: 't', task: 'tsk_1', event: 'task.assigned', at });
    const back = (event: string, data: object, at: number): void =>
      tracing.happened({ tenant: 't', event, data: { id: 'tsk_1', ...data }, at });
    order(1_000);
    back('task.retrying', { reason: 'timeout' }, 2_000);
    back('task.progress', {}, 2_500);
    tracing.happened({ tenant: 't', event: 'task.retrying', data: { id: 'tsk_other' }, at: 2_600 });
    order(5_000);
    back('task.requeued', {}, 6_000);
    order(6_001);
    const spans = exporter.getFinishedSpans();
    expect(spans.map(({ name }) => name)).toEqual([
      'push task.assigned',
      'retry',
      'push task.assigned',
      'requeue',
      'push task.assigned',
    ]);
    const [first, retry, second, requeue] = spans;
    expect(retry?.parentSpanContext?.spanId).toBe(first?.spanContext().spanId);
    expect(requeue?.parentSpanContext?.spanId).toBe(second?.spanContext().spanId);
    expect(retry?.attributes).toEqual({ 'muster.tenant': 't', 'muster.task': 'tsk_1', 'muster.reason': 'timeout' });
    const [seconds, nanos] = must(retry, 'a span').duration;
    expect(seconds + nanos / 1e9).toBeCloseTo(3, 3);
  });

  it('last as long as their tasks do: an attempt that failed is followed by another in the same trace', async () => {
    const { tracing } = await traceTo(new SimpleSpanProcessor(new InMemorySpanExporter()), '0.0.0');
    const at = performance.now();
    const times = { appendedAt: at, arrivedAt: at, applyBegan: at, applyEnded: at };
    const ask = (method: 'task.create' | 'task.fail' | 'task.cancel', result: unknown): void => {
      const params = method === 'task.create' ? {} : { id: 'tsk_1', token: '1' };
      const traceparent = method === 'task.create' ? CALLER : undefined;
      const request = must(tracing.request({ tenant: 't', session: 's', method, params, traceparent, at }), 'a span');
      request.applied(times, result);
      request.ended(at, undefined);
    };
    const order = (): string | undefined => tracing.order({ tenant: 't', task: 'tsk_1', event: 'task.assigned', at });
    for (const status of ['completed', 'failed', 'cancelled', 'timed_out']) {
      ask('task.create', { task: { id: 'tsk_1', status: 'pending' } });
      for (const back of ['scheduled', 'pending']) {
        expect(order()).toContain(TRACE);
        ask('task.fail', { task: { id: 'tsk_1', status: back } });
      }
      expect(order()).toContain(TRACE);
      ask('task.cancel', { task: { id: 'tsk_1', status } });
      expect(order(), status).toBeUndefined();
    }
  });

  it('are bounded: the oldest is forgotten', async () => {
    const { tracing } = await traceTo(new SimpleSpanProcessor(new InMemorySpanExporter()), '0.0.0');
    expect(tracing).toBeInstanceOf(SpanTracing);
    const parent = must(parseTraceparent(CALLER), 'a context');
    for (let i = 0; i <= 20_000; i += 1) tracing.follow('t', `tsk_${i}`, parent);
    const order = (task: string): string | undefined =>
      tracing.order({ tenant: 't', task, event: 'task.assigned', at: 0 });
    expect(order('tsk_0')).toBeUndefined();
    expect(order('tsk_1')).toContain(TRACE);
    tracing.forget('t', 'tsk_1');
    expect(order('tsk_1')).toBeUndefined();
  });
});
