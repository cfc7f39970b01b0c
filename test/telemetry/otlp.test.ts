/** A built server, set up by the standard variables alone, and a collector. */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { connect } from '../../src/client/node.ts';
import { Running } from '../cli/processes.ts';
import { until } from '../support/until.ts';

const place = mkdtempSync(join(tmpdir(), 'muster-otlp-'));
afterAll(() => rmSync(place, { recursive: true, force: true }));

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const MUSTER = new URL('../../dist/src/cli/muster.js', import.meta.url).pathname;

interface Sent {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: readonly { readonly key: string; readonly value: unknown }[] };
    readonly scopeSpans: readonly { readonly spans: readonly { readonly name: string; readonly traceId: string }[] }[];
  }[];
}

it('sends what it traced to the collector, at the latest when it stops', async () => {
  const sent: Sent[] = [];
  const collector = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      if (request.url === '/v1/traces') sent.push(JSON.parse(Buffer.concat(chunks).toString()));
      response.setHeader('Content-Type', 'application/json').end('{}');
    });
  });
  await new Promise<void>((resolve) => collector.listen(0, '127.0.0.1', () => resolve()));
  const address = collector.address();
  const port = typeof address === 'object' ? address?.port : undefined;
  const env = {
    ...process.env,
    OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`,
    OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=test',
    OTEL_SERVICE_NAME: 'muster-eu',
  };
  const data = join(place, 'data');
  const args = [MUSTER, 'serve', '--port', '0', '--http-port', '0', '--data', data, '--json'];
  const server = new Running(spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'pipe'] }));
  const address_ = (): { readonly url: string } => JSON.parse(readFileSync(join(data, 'address.json'), 'utf8'));
  await until(() => attempt(address_) !== undefined, 'the server', 30_000);
  const carrier = { traceparent: `00-${TRACE}-00f067aa0ba902b7-01` };
  const client = await connect({
    url: address_().url,
    key: readFileSync(join(data, 'admin.key'), 'utf8').trim(),
    // The least that an API must do: here always one trace.
    openTelemetry: {
      context: { active: () => undefined, with: (_context, run) => run() },
      propagation: { inject: (_context, into) => Object.assign(into, carrier), extract: () => undefined },
    },
  });
  await client.task.create({ type: 'greet' });
  await client.close();
  expect(await server.stop()).toBe(0);
  await new Promise((resolve) => collector.close(resolve));

  const spans = sent
    .flatMap(({ resourceSpans }) => resourceSpans.flatMap(({ scopeSpans }) => scopeSpans))
    .flatMap((scope) => scope.spans);
  const ours = spans.filter(({ traceId }) => traceId === TRACE).map(({ name }) => name);
  for (const name of ['task.create', 'prepare', 'append', 'apply']) expect(ours).toContain(name);
  const attributes = sent[0]?.resourceSpans[0]?.resource.attributes ?? [];
  expect(attributes).toContainEqual({ key: 'service.name', value: { stringValue: 'muster-eu' } });
  expect(attributes).toContainEqual({ key: 'deployment.environment.name', value: { stringValue: 'test' } });
});

it('does not start where the variables ask for what there is not', async () => {
  const env = { ...process.env, OTEL_TRACES_EXPORTER: 'zipkin' };
  const args = [MUSTER, 'serve', '--port', '0', '--http-port', '0', '--data', join(place, 'refused')];
  const server = new Running(spawn(process.execPath, args, { env, stdio: ['ignore', 'ignore', 'pipe'] }));
  expect(await server.ended).not.toBe(0);
  expect(server.err).toContain('OTEL_TRACES_EXPORTER is zipkin');
});

function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
