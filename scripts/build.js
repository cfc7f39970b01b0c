/**
 * Makes dist/ of the TypeScript sources: `npm run build`.
 *
 * Owns: what dist/ holds and whether it is up to date. Does not own: what is compiled (tsconfig.build.json).
 *
 * B1 dist/ holds exactly what the present sources make: a file whose source is gone leaves it.
 * B2 A file changes by renaming, and only when its content does: a process that loads dist/ meanwhile never
 *    reads half a file.
 * B3 dist/.stamp is the hash of all sources and settings, written last and only if types fit. It is compared instead of file times,
 *    which a clone or a change of branch sets as it likes.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../', import.meta.url));
const dist = join(root, 'dist');
const stampFile = join(dist, '.stamp');
const executable = join('src', 'cli', 'muster.js');

/** What tsconfig.build.json includes, and what that imports. */
const folders = [
  'src',
  'protocol',
  'bench',
  ...['cases', 'chaos', 'cli', 'cluster', 'conformance', 'fuzz', 'protocol', 'simulation', 'soak', 'support'].map(
    (folder) => `test/${folder}`,
  ),
];
const settings = ['tsconfig.base.json', 'tsconfig.build.json'];

/**
 * @param {string} folder
 * @returns {string[]} paths of all files below it, relative to it, in a fixed order
 */
function filesBelow(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .sort();
}

/** @returns {string} the hash of everything that decides what dist/ holds */
function stamp() {
  const hash = createHash('sha256');
  const sources = folders.flatMap((folder) => filesBelow(join(root, folder)).map((file) => `${folder}/${file}`));
  for (const file of [...settings, ...sources.filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'))]) {
    hash
      .update(`${file}\0`)
      .update(readFileSync(join(root, file)))
      .update('\0');
  }
  return hash.digest('hex');
}

/** @returns {boolean} whether dist/ was made of the sources as they are now */
export function isBuilt() {
  return existsSync(stampFile) && readFileSync(stampFile, 'utf8') === stamp();
}

/**
 * Moves what was compiled into dist/.
 * @param {string} compiled
 */
function publish(compiled) {
  const files = filesBelow(compiled);
  for (const file of files) {
    const from = join(compiled, file);
    const to = join(dist, file);
    if (existsSync(to) && readFileSync(to).equals(readFileSync(from))) continue; // B2
    mkdirSync(dirname(to), { recursive: true });
    if (file === executable) chmodSync(from, 0o755);
    renameSync(from, to); // B2
  }
  const kept = new Set(files);
  for (const file of filesBelow(dist)) {
    if (!kept.has(file) && !file.startsWith('.')) rmSync(join(dist, file), { force: true }); // B1
  }
}

/**
 * Compiles, quietly unless there is something to say. Files are made even when types do not fit, so that tests
 * of the parts that are whole can run; the caller decides what an error means.
 * @returns {{ ok: boolean, output: string }}
 */
export function build() {
  const before = stamp();
  const compiled = join(dist, `.tmp-${process.pid}`);
  rmSync(compiled, { recursive: true, force: true });
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  if (!existsSync(tsc)) return { ok: false, output: 'The TypeScript compiler is not installed: run "npm ci" first.\n' };
  const run = spawnSync(process.execPath, [tsc, '-p', 'tsconfig.build.json', '--outDir', compiled], {
    cwd: root,
    encoding: 'utf8',
  });
  const output = `${run.stdout ?? ''}${run.stderr ?? ''}`;
  try {
    if (filesBelow(compiled).length === 0) return { ok: false, output: output || 'The compiler made no files.\n' };
    publish(compiled);
    if (run.status !== 0) return { ok: false, output };
    writeFileSync(stampFile, before); // B3: sources that changed meanwhile make it stale
    return { ok: true, output };
  } finally {
    rmSync(compiled, { recursive: true, force: true });
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { ok, output } = build();
  if (output) process.stderr.write(output);
  process.exitCode = ok ? 0 : 1;
}
