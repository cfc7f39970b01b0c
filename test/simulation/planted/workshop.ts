/**
 * Builds of the product with one planted bug each, in a temporary folder; the checkout is not touched.
 *
 * W1 The text to change occurs exactly once in its file, so that the table cannot rot in silence.
 * W2 A build is dist/ with one file made anew: compiled of its source after the change, in the way of scripts/build.js.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { PlantedBug } from './bug.ts';

/** What a simulation loads. */
const FOLDERS = ['src', 'protocol', 'test/simulation', 'test/support'];

/** The checkout, from a source file as from a built one. */
export function rootFolder(): string {
  const up = fileURLToPath(new URL('../../../', import.meta.url));
  return import.meta.url.endsWith('.ts') ? up : dirname(up);
}

/** The source with the bug in it. */
export function planted(bug: PlantedBug): string {
  const source = readFileSync(join(rootFolder(), bug.file), 'utf8');
  const parts = source.split(bug.find);
  if (parts.length !== 2) {
    throw new Error(`bug "${bug.name}": its text occurs ${parts.length - 1} times in ${bug.file}, once is right`); // W1
  }
  return parts.join(bug.replace);
}

export class Workshop {
  readonly #root = rootFolder();
  readonly #place: string;
  /** Copies of dist/ by their names, and the file that is another in each. */
  readonly #copies = new Map<string, string | undefined>();

  /** Compiles the changed files of all these bugs. */
  constructor(bugs: readonly PlantedBug[]) {
    this.#place = mkdtempSync(join(tmpdir(), 'muster-planted-'));
    try {
      this.#compile(bugs);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Puts the bug, and no other, into the copy of this name, and returns the program there that runs seeds. */
  build(bug: PlantedBug, copy: string): URL {
    const place = join(this.#place, 'builds', copy);
    if (!this.#copies.has(copy)) this.#copy(place);
    const before = this.#copies.get(copy);
    if (before !== undefined) cpSync(join(this.#root, 'dist', before), join(place, before));
    const built = bug.file.replace(/\.ts$/, '.js');
    cpSync(join(this.#place, 'compiled', bug.name, built), join(place, built)); // W2
    this.#copies.set(copy, built);
    return pathToFileURL(join(place, 'test', 'simulation', 'worker.js'));
  }

  close(): void {
    rmSync(this.#place, { recursive: true, force: true });
  }

  #copy(place: string): void {
    const filter = (path: string): boolean => !/\.(?:map|d\.ts)$/.test(path);
    for (const folder of FOLDERS)
      cpSync(join(this.#root, 'dist', folder), join(place, folder), { recursive: true, filter });
  }

  #compile(bugs: readonly PlantedBug[]): void {
    const place = this.#place;
    for (const bug of bugs) {
      const file = join(place, 'sources', bug.name, bug.file);
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, planted(bug));
    }
    const modules = join(this.#root, 'node_modules');
    symlinkSync(modules, join(place, 'node_modules'));
    writeFileSync(join(place, 'package.json'), '{ "type": "module" }\n');
    // One file of a project alone: what it imports is not looked at.
    const settings = {
      extends: join(this.#root, 'tsconfig.base.json'),
      compilerOptions: {
        rootDir: 'sources',
        outDir: 'compiled',
        rewriteRelativeImportExtensions: true,
        noCheck: true,
        noResolve: true,
        types: [],
      },
      include: ['sources'],
    };
    writeFileSync(join(place, 'tsconfig.json'), JSON.stringify(settings));
    const compiler = join(modules, 'typescript', 'bin', 'tsc');
    const run = spawnSync(process.execPath, [compiler, '-p', place], { encoding: 'utf8' });
    if (run.status !== 0) throw new Error(`the planted sources do not compile:\n${run.stdout}${run.stderr}`);
  }
}
