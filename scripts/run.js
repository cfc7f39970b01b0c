/**
 * Runs a built program of this project, and builds first when the sources have changed:
 * `node scripts/run.js FILE ARGS…` with FILE as its source is named, without extension.
 *
 * Standard output belongs to the program alone, so that `--json` output can be piped.
 */
import { existsSync } from 'node:fs';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build, isBuilt } from './build.js';

const [name, ...args] = process.argv.slice(2);
if (name === undefined) throw new Error('usage: node scripts/run.js FILE ARGS…');

if (!isBuilt()) {
  const { ok, output } = build();
  if (!ok) {
    process.stderr.write(`${output}The build failed.\n`);
    process.exit(1);
  }
}

const file = fileURLToPath(new URL(`../dist/${name}.js`, import.meta.url));
if (!existsSync(file)) {
  process.stderr.write(`${name} is not a program of this project.\n`);
  process.exit(1);
}
process.argv = [process.execPath, file, ...args];
await import(pathToFileURL(file).href);
