/** Which file is loaded as uWebSockets.js, and what is said when there is none that serves. */
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { serve } from '../../src/main.ts';
import { chooseTransport } from '../../src/transport/choose.ts';
import { SOCKET_TRANSPORTS } from '../support/listen.ts';

const FILE = `uws_${process.platform}_${process.arch}_${process.versions.modules}.node`;

let modules: string;
let home: string;

beforeEach(() => {
  modules = mkdtempSync(join(tmpdir(), 'muster-uws-'));
  home = join(modules, 'uWebSockets.js');
});

afterEach(() => rmSync(modules, { recursive: true, force: true }));

function why(): string {
  const choice = chooseTransport('uws', { runtime: process, folders: [modules] });
  return choice.ok ? 'it loads' : choice.why;
}

test('auto and ws are ws, whatever is installed', () => {
  for (const wanted of ['auto', 'ws'] as const)
    expect(chooseTransport(wanted, { runtime: process })).toEqual({ ok: true, transport: { name: 'ws' } });
});

test('a package that is not there, lacks the file, or has one that is no library, is named', () => {
  expect(why()).toBe('The package uWebSockets.js is not installed.');
  mkdirSync(join(home, 'binaries'), { recursive: true });
  expect(why()).toBe(`The package uWebSockets.js has no ${FILE}.`);
  writeFileSync(join(home, 'binaries', FILE), 'this is no library');
  expect(why()).toMatch(new RegExp(`^${FILE.replaceAll('.', '\\.')} cannot be loaded: .+`));
});

test('JavaScript of the package is never run', () => {
  mkdirSync(home, { recursive: true });
  writeFileSync(join(home, 'package.json'), '{"name":"uWebSockets.js","version":"1.0.0","main":"index.js"}');
  writeFileSync(
    join(home, 'index.js'),
    'module.exports = { App() {}, us_listen_socket_close() {}, us_socket_local_port() {} };',
  );
  expect(why()).toBe(`The package uWebSockets.js has no ${FILE}.`);
});

describe.each(SOCKET_TRANSPORTS.filter((name) => name === 'uws'))('%s, where it is installed', () => {
  test('an official build, with its files at the top, is used as it is', () => {
    mkdirSync(home, { recursive: true });
    copyFileSync(join('node_modules', 'uWebSockets.js', 'binaries', FILE), join(home, FILE));
    writeFileSync(join(home, 'package.json'), '{"name":"uWebSockets.js","version":"20.99.0"}');
    const choice = chooseTransport('uws', { runtime: process, folders: [modules] });
    expect(choice).toMatchObject({ ok: true, transport: { name: 'uws', version: '20.99.0' } });
  });

  test('the server says by which transport it serves', async () => {
    const server = await serve({ data: modules, port: 0, httpPort: 0, logLevel: 'silent', transport: 'uws' });
    try {
      const health: unknown = await (await fetch(`${server.httpUrl}/healthz`)).json();
      expect(health).toMatchObject({ transport: 'uws' });
      const metrics = await (await fetch(`${server.httpUrl}/metrics`)).text();
      expect(metrics).toContain('muster_transport_info{transport="uws"} 1');
    } finally {
      await server.stop();
    }
  });
});
