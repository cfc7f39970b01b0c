/** The bundle that a page would load, in a world that has what a page has and nothing of Node. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createContext, runInContext } from 'node:vm';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { must } from '../../src/base/assert.ts';
import { serve, type RunningServer } from '../../src/main.ts';
import { bundleClient } from '../../scripts/bundle.js';

/** What the SDK may cost a page, compressed. It was 26.7 KiB when this was written, and 33.1 with work under locks. */
const GZIP_BYTES_MAX = 35 * 1024;

const data = mkdtempSync(join(tmpdir(), 'muster-browser-'));
let server: RunningServer;

beforeAll(async () => {
  server = await serve({ port: 0, httpPort: 0, data, logLevel: 'silent' });
});

afterAll(async () => {
  await server.stop();
  rmSync(data, { recursive: true, force: true });
});

/** The globals of a page that the SDK may use. A vm context has the language's own and no others. */
function pageGlobals(sockets: WebSocket[]): Record<string, unknown> {
  class PageSocket extends WebSocket {
    constructor(url: string, protocols: string[]) {
      super(url, protocols);
      sockets.push(this);
    }
  }
  return {
    // The socket gives buffers of the world outside.
    ArrayBuffer,
    WebSocket: PageSocket,
    TextEncoder,
    TextDecoder,
    URL,
    AbortController,
    AbortSignal,
    crypto,
    performance,
    queueMicrotask,
    setTimeout,
    clearTimeout,
  };
}

const PAGE = `(async () => {
  const client = await Muster.connect({ url, key, agent: { name: 'page', capabilities: ['greet'] } });
  client.on('state', (state) => report('state ' + state));
  client.agent.handle('greet', async (task) => ({ text: 'Hello, ' + task.parameters.name }));
  const first = await client.task.run({ type: 'greet', parameters: { name: 'Ada' } });
  report(first.text);
  const online = new Promise((resolve) => client.on('state', (state) => state === 'online' && resolve()));
  breakSocket();
  await online;
  const bytes = new Uint8Array([0, 255, 7]);
  const { task } = await client.task.create({ type: 'greet', parameters: { name: 'Grace ✓', bytes } });
  const ended = await client.task.wait(task);
  report(ended.result.text);
  report([...(await client.task.get({ id: task.id })).task.parameters.bytes].join(' '));
  await client.task.get({ id: 'tsk_none' }).catch((error) => report(error.name + ' ' + error.code));
  await client.close();
  report(client.state);
})()`;

it('has nothing of Node in it, and is small', async () => {
  const code = await bundleClient({ minify: true });
  expect(code).not.toMatch(/\bfrom\s*["']|\bimport\s*\(|\brequire\s*\(|node:/);
  expect(gzipSync(code, { level: 9 }).length).toBeLessThan(GZIP_BYTES_MAX);
});

it('connects, works, loses its socket and goes on, where there are the globals of a page alone', async () => {
  const said: string[] = [];
  const sockets: WebSocket[] = [];
  const page = createContext({
    ...pageGlobals(sockets),
    url: server.url,
    key: must(server.firstKey, 'a first start shows the key'),
    report: (line: string) => said.push(line),
    breakSocket: () => sockets.at(-1)?.terminate(),
  });
  expect(runInContext('[typeof process, typeof Buffer, typeof require].join(" ")', page)).toBe(
    'undefined undefined undefined',
  );
  runInContext(await bundleClient({ minify: true, format: 'iife' }), page);
  await runInContext(PAGE, page);
  expect(said).toEqual([
    'Hello, Ada',
    'state offline',
    'state connecting',
    'state online',
    'Hello, Grace ✓',
    '0 255 7',
    'MusterError TASK_NOT_FOUND',
    'state closed',
    'closed',
  ]);
  expect(sockets).toHaveLength(2);
});
