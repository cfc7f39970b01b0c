/** The client's tarball: installed into an empty project without a network, checked as its users' compilers do, run. */
import { execFile, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { packClient } from '../../scripts/pack-client.js';
import { must } from '../../src/base/assert.ts';
import { serve, type RunningServer } from '../../src/main.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const place = mkdtempSync(join(tmpdir(), 'muster-client-package-'));
const project = join(place, 'project');
let server: RunningServer;

/** Its output; fails with all that it said. */
function run(command: string, args: readonly string[], cwd: string): string {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd, encoding: 'utf8' });
  expect({ status, said: status === 0 ? '' : `${stdout}${stderr}` }).toEqual({ status: 0, said: '' });
  return stdout;
}

const PROGRAM = `import { connect, MusterError, type TaskView } from 'muster-client';

const [url = '', key = ''] = process.argv.slice(2);
const client = await connect({ url, key, agent: { name: 'a', capabilities: ['add'] } });
client.agent.handle('add', async (task) => {
  const { a, b } = task.parameters as { a: number; b: number };
  return { sum: a + b };
});
const { task } = await client.task.create({ type: 'add', parameters: { a: 40, b: 2 } });
const ended: TaskView = await client.task.wait(task);
console.log(JSON.stringify(ended.result));
const refused: unknown = await client.task.get({ id: 'tsk_none' }).catch((error: unknown) => error);
console.log(refused instanceof MusterError ? refused.code : 'no error');
await client.close();
`;

beforeAll(async () => {
  mkdirSync(project);
  const client = packClient(place);
  const ws = run(
    'npm',
    ['pack', '--silent', '--ignore-scripts', '--pack-destination', place, './node_modules/ws'],
    root,
  ).trim();
  writeFileSync(join(project, 'package.json'), '{"name":"user","private":true,"type":"module"}\n');
  writeFileSync(join(project, 'use.ts'), PROGRAM);
  const quiet = ['--offline', '--ignore-scripts', '--no-audit', '--no-fund'];
  run('npm', ['install', ...quiet, join(place, ws), client], project);
  server = await serve({ port: 0, httpPort: 0, data: join(place, 'data'), logLevel: 'silent' });
});

afterAll(async () => {
  await server.stop();
  rmSync(place, { recursive: true, force: true });
});

it('brings ws and nothing else, no native file, nothing of the server', () => {
  const modules = join(project, 'node_modules');
  expect(readdirSync(modules).filter((name) => !name.startsWith('.'))).toEqual(['muster-client', 'ws']);
  const home = join(modules, 'muster-client');
  const manifest: unknown = JSON.parse(readFileSync(join(home, 'package.json'), 'utf8'));
  const ours: { readonly dependencies: { readonly ws: string }; readonly version: string } = JSON.parse(
    readFileSync(join(root, 'package.json'), 'utf8'),
  );
  expect(manifest).toMatchObject({ version: ours.version, dependencies: { ws: ours.dependencies.ws } });
  const files = readdirSync(home, { recursive: true, encoding: 'utf8' });
  expect(files).toContain(join('dist', 'src', 'client', 'node.d.ts'));
  expect(files).toContain('README.md');
  expect(files.filter((file) => file.endsWith('.node') || /src\/(?!client|base)[a-z]/.test(file))).toEqual([]);
});

const TSC = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
const TYPES = join(root, 'node_modules', '@types');

it.each([
  ['node16', ['--module', 'node16', '--moduleResolution', 'node16']],
  ['bundler', ['--module', 'esnext', '--moduleResolution', 'bundler']],
  ['bundler, for a browser', ['--module', 'esnext', '--moduleResolution', 'bundler', '--customConditions', 'browser']],
])('has types that hold with moduleResolution %s', (_name, options) => {
  const strict = ['--noEmit', '--strict', '--target', 'es2022', '--typeRoots', TYPES, '--types', 'node'];
  run(process.execPath, [TSC, ...strict, ...options, 'use.ts'], project);
});

it('runs', async () => {
  const strict = ['--outDir', '.', '--strict', '--target', 'es2022', '--module', 'node16'];
  run(process.execPath, [TSC, ...strict, '--typeRoots', TYPES, '--types', 'node', 'use.ts'], project);
  const key = must(server.firstKey, 'a first start shows the key');
  // The thread's file is found where the package stands.
  const program = readFileSync(join(project, 'use.js'), 'utf8');
  writeFileSync(join(project, 'thread.js'), program.replace('connect({', 'connect({ socketThread: true,'));
  // The server is in this process: it must not stand still meanwhile.
  for (const file of ['use.js', 'thread.js']) {
    const { stdout } = await promisify(execFile)(process.execPath, [file, server.url, key], { cwd: project });
    expect(stdout).toBe('{"sum":42}\nTASK_NOT_FOUND\n');
  }
});
