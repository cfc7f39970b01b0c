/**
 * What each folder may import: the arrows of docs/ARCHITECTURE.md as an allow list. A new arrow is a change of
 * architecture: it needs a line here, one there, and a decision note.
 */
import { posix } from 'node:path';
import { importsOf, type Problem, type Source } from './source.ts';

interface Unit {
  /** Path prefixes; the unit with the longest one that fits owns a file. */
  readonly at: readonly string[];
  /** Modules of the project that it may import besides its own; a prefix ends in a slash. */
  readonly modules: readonly string[];
  /** npm packages and `node:` modules. */
  readonly packages: readonly string[];
}

const BASE = [
  'src/base/assert.ts',
  'src/base/result.ts',
  'src/base/scheduler.ts',
  'src/base/order.ts',
  'src/base/fifo.ts',
  'src/base/slot-map.ts',
  'src/base/sorted-set.ts',
  'src/base/keyed-set.ts',
];
/** What only those need who meet peers. */
const EDGE = ['src/base/address.ts', 'src/base/per-second.ts'];
const WIRE = ['protocol/wire/'];
const NODE_PORT = ['src/node/port.ts'];

/** What the client is beside its core, which also runs in browsers and in the simulator. */
export const CLIENT_ON_NODE = ['src/client/node.ts', 'src/client/node/'] as const;

/** What the engine shows to the node, its only user. */
const ENGINE_FACE = [
  'src/engine/engine.ts',
  'src/engine/entry.ts',
  'src/engine/port.ts',
  'src/engine/queries.ts',
  'src/engine/kernel/image.ts',
  'src/engine/kernel/state.ts',
  'src/engine/sessions/snapshot.ts',
  'src/engine/tasks/control-view.ts',
  'src/engine/tasks/transitions.ts',
  'src/engine/tasks/view.ts',
  'src/engine/topics/topics.ts',
];

export const UNITS: { readonly [name: string]: Unit } = {
  'protocol/wire': {
    at: ['protocol/wire/'],
    modules: ['src/base/assert.ts', 'src/base/result.ts'],
    packages: [],
  },
  'protocol/schema': {
    at: ['protocol/schema/'],
    modules: [...WIRE, 'src/base/assert.ts', 'src/base/result.ts'],
    packages: ['zod'],
  },
  base: { at: ['src/base/'], modules: [], packages: [] },
  'base, on Node': {
    at: ['src/base/worker-url.ts', 'src/base/system-scheduler.ts', 'src/base/process-start.ts'],
    modules: ['src/base/'],
    packages: ['node:'],
  },
  engine: {
    at: ['src/engine/'],
    modules: [...WIRE, ...BASE.filter((module) => module !== 'src/base/scheduler.ts')],
    packages: [],
  },
  log: {
    at: ['src/log/'],
    modules: [...WIRE, 'src/base/'],
    packages: [
      'better-sqlite3',
      'ioredis',
      'node:crypto',
      'node:fs',
      'node:fs/promises',
      'node:path',
      'node:worker_threads',
      'node:zlib',
    ],
  },
  store: {
    at: ['src/store/'],
    modules: [...WIRE, 'src/base/'],
    packages: [
      'better-sqlite3',
      'node:crypto',
      'node:fs',
      'node:fs/promises',
      'node:path',
      'node:worker_threads',
      'node:zlib',
    ],
  },
  node: {
    at: ['src/node/'],
    modules: [
      ...WIRE,
      ...BASE,
      ...ENGINE_FACE,
      'src/calendar/index.ts',
      'src/documents/conflicts.ts',
      'src/documents/jobs.ts',
      'src/documents/sections/identity.ts',
      'src/log/port.ts',
      'src/store/blobs/port.ts',
      'src/store/blobs/sweep.ts',
      'src/store/uploads/port.ts',
      'src/store/port.ts',
      'src/store/push-record.ts',
      'src/store/search/port.ts',
      'src/telemetry/port.ts',
    ],
    packages: [],
  },
  calendar: { at: ['src/calendar/'], modules: [...WIRE, ...BASE], packages: ['croner'] },
  rules: {
    at: ['src/rules/'],
    modules: [...WIRE, ...BASE, 'src/engine/rules/fields.ts', 'src/engine/rules/tree.ts'],
    packages: ['@marcbachmann/cel-js'],
  },
  documents: {
    at: ['src/documents/'],
    modules: [...BASE, 'src/base/worker-url.ts'],
    packages: ['hast-util-from-html', 'hast-util-sanitize', 'hast-util-to-html', 'markdown-it', 'node:worker_threads'],
  },
  backup: {
    at: ['src/backup/'],
    modules: [...WIRE, 'src/doctor/index.ts', 'src/log/sqlite/index.ts'],
    packages: ['node:'],
  },
  doctor: {
    at: ['src/doctor/'],
    modules: [
      ...WIRE,
      'src/base/',
      ...ENGINE_FACE,
      'src/log/port.ts',
      'src/log/sqlite/index.ts',
      'src/store/index.ts',
      'src/store/forever.ts',
      'src/store/port.ts',
      'src/node/checkpoint.ts',
      'src/node/kept.ts',
      'src/node/node.ts',
      'src/node/serving.ts',
      'src/access/index.ts',
      'src/rules/index.ts',
    ],
    packages: ['node:'],
  },
  session: {
    at: ['src/session/'],
    modules: [
      ...WIRE,
      'protocol/schema/',
      ...BASE,
      ...EDGE,
      ...NODE_PORT,
      'src/access/index.ts',
      'src/telemetry/port.ts',
    ],
    packages: [],
  },
  access: {
    at: ['src/access/'],
    modules: [...WIRE, 'protocol/schema/', ...BASE, ...EDGE, ...NODE_PORT],
    packages: ['fast-jwt', 'rate-limiter-flexible', 'zod', 'node:crypto', 'node:fs/promises'],
  },
  transport: {
    at: ['src/transport/'],
    modules: [...WIRE, ...BASE, ...EDGE, 'src/session/port.ts'],
    packages: ['ws', 'node:fs', 'node:http', 'node:module', 'node:net', 'node:path', 'node:stream', 'node:v8'],
  },
  jobs: { at: ['src/jobs/'], modules: [...BASE], packages: ['bullmq', 'ioredis'] },
  http: {
    at: ['src/http/'],
    modules: [...WIRE, ...BASE, ...EDGE, ...NODE_PORT, 'src/telemetry/port.ts'],
    packages: ['node:http', 'node:stream'],
  },
  telemetry: {
    at: ['src/telemetry/'],
    modules: [...WIRE, ...BASE],
    packages: [
      '@opentelemetry/api',
      '@opentelemetry/exporter-trace-otlp-http',
      '@opentelemetry/resources',
      '@opentelemetry/sdk-trace-base',
      'pino',
      'prom-client',
    ],
  },
  'client core': { at: ['src/client/'], modules: [...WIRE, ...BASE, 'src/client/web/'], packages: [] },
  'client in a browser': { at: ['src/client/web/'], modules: [...WIRE, ...BASE, 'src/client/'], packages: [] },
  'client on Node': {
    at: [...CLIENT_ON_NODE],
    modules: [
      ...WIRE,
      ...BASE,
      'src/base/system-scheduler.ts',
      'src/base/process-start.ts',
      'src/base/worker-url.ts',
      'src/client/',
    ],
    packages: ['ws', 'node:'],
  },
  cli: {
    at: ['src/cli/'],
    modules: [
      ...WIRE,
      'src/base/',
      'src/client/',
      'src/client/node.ts',
      'src/client/version.ts',
      'src/main.ts',
      'src/config.ts',
      'src/doctor/index.ts',
      'src/backup/index.ts',
      'src/documents/index.ts',
    ],
    packages: ['commander', 'cli-table3', 'node:'],
  },
  main: {
    at: [
      'src/main.ts',
      'src/config.ts',
      'src/figures.ts',
      'src/http-services.ts',
      'src/housekeeping.ts',
      'src/open-log.ts',
      'src/open-store.ts',
      'src/open-jobs.ts',
      'src/open-texts.ts',
    ],
    modules: ['src/', 'protocol/'],
    packages: ['ioredis', 'zod', 'node:'],
  },
  testing: { at: ['src/testing/'], modules: ['src/', 'protocol/'], packages: ['node:crypto'] },
  bench: {
    at: ['bench/'],
    modules: [
      ...WIRE,
      'src/rules/',
      'protocol/schema/',
      'src/base/',
      'src/client/',
      'src/engine/',
      'src/log/',
      'src/store/',
      'src/cli/muster.ts',
      'src/telemetry/',
      'src/testing/',
      'src/transport/',
      'test/support/',
    ],
    packages: [
      '@nats-io/',
      '@socket.io/redis-streams-adapter',
      'amqplib',
      'socket.io',
      'better-sqlite3',
      'bullmq',
      'ioredis',
      'msgpackr',
      'ws',
      'zod',
      'node:',
    ],
  },
  simulation: {
    at: ['test/simulation/'],
    modules: ['src/', 'protocol/', 'test/support/', 'test/simulation/checker/'],
    packages: ['vitest', 'fast-check', 'node:'],
  },
  checker: {
    at: ['test/simulation/checker/'],
    modules: [...WIRE, 'src/base/assert.ts'],
    packages: ['node:crypto', 'vitest'],
  },
  test: {
    at: ['test/'],
    modules: ['src/', 'protocol/', 'scripts/', 'bench/', 'test/simulation/'],
    packages: [
      '@marcbachmann/cel-js',
      '@opentelemetry/api',
      '@opentelemetry/sdk-trace-base',
      'better-sqlite3',
      'dockerfile-utils',
      'fast-check',
      'fast-jwt',
      'hast-util-from-html',
      'ioredis',
      'msgpack-test-suite',
      'msgpackr',
      'pino',
      'rate-limiter-flexible',
      'vitest',
      'ws',
      'yaml',
      'zod',
      'node:',
    ],
  },
  scripts: { at: ['scripts/', 'bin/', 'vitest.config.ts'], modules: [], packages: ['rolldown', 'vitest', 'node:'] },
};

/** Files of a folder that others may import, besides those that the table names. */
const FACES = /^(?:port|index)\.ts$/;
/** Folders whose files are all public. */
const OPEN = ['src/base/', 'protocol/wire/', 'protocol/schema/', 'test/support/'];
/** Units that look inside: the composition root, and tests of the inside. */
const INSIDERS = new Set(['main', 'testing', 'test', 'simulation', 'bench']);

export function unitOf(path: string): string | undefined {
  let owner: string | undefined;
  let longest = -1;
  for (const [name, unit] of Object.entries(UNITS)) {
    for (const prefix of unit.at) {
      const fits = prefix.endsWith('/') ? path.startsWith(prefix) : path === prefix;
      if (fits && prefix.length > longest) {
        owner = name;
        longest = prefix.length;
      }
    }
  }
  return owner;
}

/** `src/client/` of anything below it. */
const topFolder = (path: string): string => path.split('/').slice(0, 2).join('/');

const fits = (allowed: readonly string[], name: string): boolean =>
  allowed.some((entry) => entry === name || (/[/:]$/.test(entry) && name.startsWith(entry)));

function packageOf(specifier: string): string {
  if (specifier.startsWith('node:')) return specifier;
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}

function wrong(source: Source, name: string, unit: Unit, specifier: string): string | undefined {
  if (!specifier.startsWith('.')) {
    if (specifier.endsWith('/') || fits(unit.packages, packageOf(specifier))) return undefined;
    return `${name} may not import the package ${specifier} (test/tidy/imports.ts says what it may).`;
  }
  const target = posix.join(posix.dirname(source.path), specifier);
  const owner = unitOf(target);
  if (owner === undefined) return `${target} belongs to no unit of test/tidy/imports.ts: add it there.`;
  if (!/\.(?:ts|js|json)$/.test(specifier)) return `Name the file with its extension: ${specifier}.`;
  if (owner === name) return undefined;
  if (!fits(unit.modules, target)) return `${name} may not import ${target} (test/tidy/imports.ts says what it may).`;
  const folder = target.slice(0, target.lastIndexOf('/') + 1);
  if (topFolder(source.path) === topFolder(target)) return undefined;
  const face = FACES.test(target.slice(folder.length)) || unit.modules.includes(target);
  if (face || INSIDERS.has(name) || fits(OPEN, target)) return undefined;
  return `${target} is private to ${folder}: use its port.ts or index.ts.`;
}

export function checkImports(sources: readonly Source[]): Problem[] {
  const problems: Problem[] = [];
  for (const source of sources) {
    const name = unitOf(source.path);
    const unit = name === undefined ? undefined : UNITS[name];
    if (name === undefined || unit === undefined) {
      const cure =
        'This file belongs to no unit of test/tidy/imports.ts: put it into a folder that has one, or add one.';
      problems.push({ rule: 'imports', path: source.path, line: 1, cure });
      continue;
    }
    for (const { specifier, line } of importsOf(source)) {
      const cure = wrong(source, name, unit, specifier);
      if (cure !== undefined) problems.push({ rule: 'imports', path: source.path, line, cure });
    }
  }
  return problems;
}
