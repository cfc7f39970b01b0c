/**
 * `npm run pack:client`: the SDK as a package of its own, for agents that do not need a server: `muster-client-VERSION.tgz`.
 *
 * Owns: what is in it. Does not own: how it is compiled (build.js), the package of the server (`npm pack`).
 *
 * K1 It has what its two entries import, found by following the imports, and nothing else of the server.
 * K2 It depends on `ws` alone, in the version that the server is tested with; a browser needs nothing.
 */
import { execFileSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { builtinModules } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, posix, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, isBuilt } from './build.js';

const root = fileURLToPath(new URL('../', import.meta.url));
const dist = join(root, 'dist');
const DEPENDENCIES = ['ws'];

/** @param {string} text */
function importsOf(text) {
  const imports = [...text.matchAll(/(?:\bfrom|\bimport|\bimport\()\s*['"]([^'"]+)['"]/g)].map(([, name = '']) => name);
  // A thread's file is named as its source.
  const threads = [...text.matchAll(/workerUrl\(import\.meta\.url, '([^']+)\.ts'\)/g)];
  return [...imports, ...threads.map(([, name = '']) => `${name}.js`)];
}

/**
 * Files of dist/ that the entries need, by compiled code and by types.
 * @param {readonly string[]} entries
 */
function closure(entries) {
  /** @type {Set<string>} */
  const files = new Set();
  const waiting = [...entries];
  for (let file = waiting.pop(); file !== undefined; file = waiting.pop()) {
    if (files.has(file)) continue;
    files.add(file);
    for (const name of importsOf(readFileSync(join(dist, file), 'utf8'))) {
      if (name.startsWith('.')) {
        const target = posix.join(posix.dirname(file), name);
        // Types name the module, whose types stand beside it.
        waiting.push(file.endsWith('.d.ts') ? target.replace(/\.(?:js|ts)$/, '.d.ts') : target);
      } else if (!name.startsWith('node:') && !builtinModules.includes(name) && !DEPENDENCIES.includes(name))
        throw new Error(`${file} imports ${name}, which is no dependency of the client.`); // K2
    }
  }
  return files;
}

/** The manifest says of the client what the server's says of `muster/client`. */
function manifest() {
  /** @type {{ version: string, license: string, engines: object, exports: Record<string, object>, dependencies: Record<string, string> }} */
  const server = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const { version, license, engines, exports, dependencies } = server;
  return {
    name: 'muster-client',
    version,
    description: 'The client of Muster, a coordination server for fleets of agents, for Node and browsers.',
    license,
    type: 'module',
    sideEffects: false,
    engines,
    exports: { '.': exports['./client'], './package.json': './package.json' },
    dependencies: Object.fromEntries(DEPENDENCIES.map((name) => [name, dependencies[name]])),
  };
}

/**
 * @param {string} folder where the file shall be
 * @returns {string} its path
 */
export function packClient(folder) {
  const place = mkdtempSync(join(tmpdir(), 'muster-pack-'));
  try {
    const home = join(place, 'package');
    const entries = ['index', 'node'].flatMap((name) => [`src/client/${name}.js`, `src/client/${name}.d.ts`]);
    for (const file of closure(entries)) {
      for (const name of [file, `${file}.map`]) {
        if (!existsSync(join(dist, name))) continue;
        mkdirSync(dirname(join(home, 'dist', name)), { recursive: true });
        copyFileSync(join(dist, name), join(home, 'dist', name));
      }
    }
    writeFileSync(join(home, 'package.json'), `${JSON.stringify(manifest(), undefined, 2)}\n`);
    for (const file of ['LICENSE', 'CHANGELOG.md']) copyFileSync(join(root, file), join(home, file));
    // What it links to is in the server's package.
    const page = readFileSync(join(root, 'docs', 'client.md'), 'utf8').replaceAll(
      /\[([^\]]+)\]\((?!https?:)[^)]+\)/g,
      '$1',
    );
    writeFileSync(join(home, 'README.md'), page);
    const said = execFileSync('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', place], {
      cwd: home,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const report = JSON.parse(said);
    /** @type {{ filename: string }} */
    const { filename } = Array.isArray(report) ? report[0] : Object.values(report)[0];
    mkdirSync(folder, { recursive: true });
    const target = join(folder, filename);
    copyFileSync(join(place, filename), `${target}.new`);
    renameSync(`${target}.new`, target);
    return target;
  } finally {
    rmSync(place, { recursive: true, force: true });
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  if (!isBuilt()) {
    const { ok, output } = build();
    if (!ok) throw new Error(`${output}The build failed.`);
  }
  process.stdout.write(`${packClient(resolve(process.argv[2] ?? '.'))}\n`);
}
