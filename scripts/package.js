/**
 * Is what `npm publish` would send complete, small and usable: packs it, lints it, installs it into an empty
 * project beside its dependencies, and uses it there, on Node, as a browser's bundler would, and from TypeScript.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../', import.meta.url));
const place = mkdtempSync(join(tmpdir(), 'muster-package-'));
/** @type {string[]} */
const faults = [];

/** What a client needs, and no more: nothing native among it. In a browser it needs nothing. */
const CLIENT_DEPENDENCIES = ['ws'];

/**
 * @param {string} command
 * @param {readonly string[]} args
 * @param {string} cwd
 */
function check(command, args, cwd) {
  const run = spawnSync(command, args, { cwd, encoding: 'utf8' });
  if (run.status === 0) return run.stdout;
  faults.push(
    `${[command, ...args].join(' ')} failed:\n${run.stdout ?? ''}${run.stderr ?? ''}${run.error?.message ?? ''}`,
  );
  return '';
}

/** @returns {string} path of the tarball */
function pack() {
  const output = execFileSync('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', place], {
    cwd: root,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const report = JSON.parse(output);
  /** @type {{ filename: string, size: number, files: { path: string }[] }} */
  const packed = Array.isArray(report) ? report[0] : Object.values(report)[0];
  const files = packed.files.map(({ path }) => path);
  const wanted = [
    'package.json',
    'README.md',
    'LICENSE',
    'CHANGELOG.md',
    'protocol/PROTOCOL.md',
    'bin/muster.js',
    'dist/src/cli/muster.js',
    'dist/src/client/index.js',
    'dist/src/client/index.d.ts',
    'dist/src/client/node.js',
    'dist/src/client/node.d.ts',
    'dist/src/testing/index.js',
    'dist/src/testing/index.d.ts',
  ];
  for (const file of wanted) if (!files.includes(file)) faults.push(`${file} is not in the package.`);
  for (const [, path = ''] of readFileSync(join(root, 'README.md'), 'utf8').matchAll(/\]\(([\w./-]+?)\/?\)/g))
    if (!files.some((file) => file === path || file.startsWith(`${path}/`)))
      faults.push(`README.md names ${path}, which is not in the package.`);
  if (!files.some((file) => /^protocol\/vectors\/.*\.json$/.test(file)))
    faults.push('The test vectors are not in the package.');
  for (const file of files) {
    if (/^(?:test|bench|src|scripts|\.ci|dist\/(?:test|bench))\//.test(file))
      faults.push(`${file} does not belong in the package.`);
  }
  if (packed.size > 3 * 1024 * 1024) faults.push(`The package has ${packed.size} bytes.`);
  return join(place, packed.filename);
}

/**
 * An empty project in which the package is installed beside the dependencies named.
 * @param {string} name
 * @param {string} tarball
 * @param {readonly string[]} dependencies
 */
function installed(name, tarball, dependencies) {
  const project = join(place, name);
  const home = join(project, 'node_modules', 'muster');
  mkdirSync(home, { recursive: true });
  check('tar', ['-xzf', tarball, '-C', home, '--strip-components=1'], project);
  for (const dependency of dependencies) {
    const link = join(project, 'node_modules', dependency);
    mkdirSync(dirname(link), { recursive: true });
    symlinkSync(join(root, 'node_modules', dependency), link);
  }
  writeFileSync(join(project, 'package.json'), '{"name":"user","private":true,"type":"module"}\n');
  return project;
}

/** @param {string} tarball */
function useClient(tarball) {
  const project = installed('client', tarball, CLIENT_DEPENDENCIES);
  writeFileSync(
    join(project, 'use.ts'),
    "import { connect } from 'muster/client';\nexport const takesOptions: (...args: Parameters<typeof connect>) => ReturnType<typeof connect> = connect;\n",
  );
  writeFileSync(
    join(project, 'use.js'),
    "import { connect } from 'muster/client';\nif (typeof connect !== 'function') throw new Error('muster/client exports no connect');\n",
  );
  check(process.execPath, ['use.js'], project);
  check(process.execPath, ['--conditions=browser', 'use.js'], project);
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  const strict = ['--noEmit', '--strict', '--target', 'es2023', '--typeRoots', join(root, 'node_modules', '@types')];
  check(
    process.execPath,
    [tsc, ...strict, '--module', 'nodenext', '--types', 'node', '--skipLibCheck', 'use.ts'],
    project,
  );
  const browser = ['--module', 'esnext', '--moduleResolution', 'bundler', '--customConditions', 'browser'];
  check(
    process.execPath,
    [tsc, ...strict, ...browser, '--lib', 'es2023,dom', '--types', '', '--skipLibCheck', 'use.ts'],
    project,
  );
}

/** @param {string} tarball */
function useCommand(tarball) {
  const { dependencies, version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const project = installed('server', tarball, Object.keys(dependencies));
  const said = check(
    process.execPath,
    [join('node_modules', 'muster', 'dist', 'src', 'cli', 'muster.js'), '--version'],
    project,
  );
  if (!said.includes(version)) faults.push(`muster --version says "${said.trim()}", not ${version}.`);
}

try {
  const tarball = pack();
  check(join(root, 'node_modules', '.bin', 'publint'), ['run', tarball, '--strict'], root);
  // For ES modules alone: a program of CommonJS imports them as Node does.
  check(join(root, 'node_modules', '.bin', 'attw'), [tarball, '--profile', 'esm-only'], root);
  useClient(tarball);
  useCommand(tarball);
} finally {
  rmSync(place, { recursive: true, force: true });
}
process.stdout.write(faults.length === 0 ? 'The package is complete and usable.\n' : `${faults.join('\n')}\n`);
process.exitCode = faults.length === 0 ? 0 : 1;
