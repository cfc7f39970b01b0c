/**
 * `npm run bundle`: what the SDK costs a page. Bundles `muster/client` as a browser's bundler would, and prints its
 * size; `npm run bundle -- --write FILE` keeps the bundle.
 *
 * Owns: how it is bundled. Does not own: what is in it (src/client/index.ts and below, which has no dependency).
 */
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { rolldown } from 'rolldown';
import { build, isBuilt } from './build.js';

const root = fileURLToPath(new URL('../', import.meta.url));

/**
 * Of dist/ as it is: what an installed package has. Anything that is not resolved, a module of Node above all, fails.
 * @param {{ readonly minify: boolean, readonly format?: 'esm' | 'iife' }} options
 * @returns {Promise<string>} one file; as `iife` its exports are members of the global `Muster`
 */
export async function bundleClient({ minify, format = 'esm' }) {
  /** @type {string[]} */
  const faults = [];
  const bundle = await rolldown({
    cwd: root,
    input: 'muster/client',
    platform: 'browser',
    onLog: (_level, { message }) => faults.push(message),
  });
  try {
    const { output } = await bundle.generate({ format, name: 'Muster', minify });
    const [file] = output;
    if (output.length > 1) faults.push(`It came in ${output.length} files.`);
    for (const name of [...file.imports, ...file.dynamicImports]) faults.push(`It imports ${name}.`);
    if (faults.length > 0) throw new Error(`The SDK does not bundle for browsers:\n${faults.join('\n')}`);
    return file.code;
  } finally {
    await bundle.close();
  }
}

/** @param {number} bytes */
const kib = (bytes) => `${(bytes / 1024).toFixed(1).padStart(7)} KiB`;

/** @param {readonly string[]} args */
async function main(args) {
  if (!isBuilt()) {
    const { ok, output } = build();
    if (!ok) throw new Error(`${output}The build failed.`);
  }
  const [plain, minified] = [await bundleClient({ minify: false }), await bundleClient({ minify: true })];
  const sizes = {
    bytes: Buffer.byteLength(plain),
    minified: Buffer.byteLength(minified),
    gzip: gzipSync(minified, { level: 9 }).length,
  };
  const at = args.indexOf('--write');
  const file = at < 0 ? undefined : args[at + 1];
  if (at >= 0 && file === undefined) throw new Error('usage: npm run bundle -- [--json] [--write FILE]');
  if (file !== undefined) writeFileSync(file, minified);
  process.stdout.write(
    args.includes('--json')
      ? `${JSON.stringify(sizes)}\n`
      : `muster/client for browsers\n  bundled  ${kib(sizes.bytes)}\n  minified ${kib(sizes.minified)}\n  gzip     ${kib(sizes.gzip)}\n`,
  );
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main(process.argv.slice(2));
