/**
 * The product as a program whose modules are functions, so that a build with another file in it costs no more than to call them again.
 *
 * P1 Modules of the project are made anew for every build, so that no build sees the state of another; packages are loaded once.
 * P2 The functions are compiled once: what V8 has learned of the unchanged modules serves all builds.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, normalize } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Script } from 'node:vm';
import type { PlantedBug } from './bug.ts';
import { builtName, compiledFile, compilePlanted, compileProgram, rootFolder } from './sources.ts';

/** A compiled file in the place of another. */
export interface Changed {
  /** Its path in the checkout. */
  readonly file: string;
  readonly script: string;
}

/** The exports of a module by the path of its source in the checkout. */
export type Load = (path: string) => unknown;

type Factory = (exports: object, require: (name: string) => unknown, module: { exports: object }) => void;

/** Of a folder that `Builds` made. */
export class Program {
  readonly #folder: string;
  readonly #packages = createRequire(join(rootFolder(), 'package.json'));
  readonly #factories = new Map<string, Factory>(); // P2

  constructor(folder: string) {
    this.#folder = folder;
  }

  load(changed?: Changed): Load {
    const other = changed && { file: this.#known(changed.file), factory: this.#compile(changed.file, changed.script) };
    const modules = new Map<string, { exports: object }>(); // P1
    const load = (file: string): object => {
      const known = modules.get(file);
      if (known !== undefined) return known.exports;
      const module = { exports: {} };
      modules.set(file, module);
      const factory = file === other?.file ? other.factory : this.#factory(file);
      factory(
        module.exports,
        (name) => (name.startsWith('.') ? load(join(dirname(file), name)) : this.#packages(name)),
        module,
      );
      return module.exports;
    };
    return (path) => load(builtName(path));
  }

  /** What nothing loads is no change. */
  #known(source: string): string {
    const file = normalize(builtName(source));
    if (!existsSync(join(this.#folder, file))) throw new Error(`${source} is not in the program`);
    return file;
  }

  #factory(file: string): Factory {
    let factory = this.#factories.get(file);
    if (factory === undefined) {
      factory = this.#compile(file, readFileSync(join(this.#folder, file), 'utf8'));
      this.#factories.set(file, factory);
    }
    return factory;
  }

  #compile(file: string, script: string): Factory {
    const built = pathToFileURL(join(rootFolder(), 'dist', builtName(file))).href;
    const text = script.replaceAll('import.meta.url', JSON.stringify(built));
    const filename = join(this.#folder, builtName(file));
    return new Script(`(function (exports, require, module) {${text}\n})`, { filename }).runInThisContext() as Factory;
  }
}

/** The program that these entries begin, and the changed file of each bug, in a temporary folder. */
export class Builds {
  readonly #place = mkdtempSync(join(tmpdir(), 'muster-builds-'));
  readonly folder = join(this.#place, 'program');

  constructor(bugs: readonly PlantedBug[], entries: readonly string[]) {
    try {
      compilePlanted(this.#place, bugs, 'commonjs');
      compileProgram(this.#place, entries, this.folder);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  changed(bug: PlantedBug): Changed {
    return { file: bug.file, script: readFileSync(join(this.#place, compiledFile(bug)), 'utf8') };
  }

  close(): void {
    rmSync(this.#place, { recursive: true, force: true });
  }
}
