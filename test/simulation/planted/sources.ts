/** The sources of the product with a planted bug in them. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { PlantedBug } from './bug.ts';

/** The checkout, from a source file as from a built one. */
export function rootFolder(): string {
  const up = fileURLToPath(new URL('../../../', import.meta.url));
  return import.meta.url.endsWith('.ts') ? up : dirname(up);
}

/** The source with the bug in it. Its text occurs exactly once in its file, so that the table cannot rot in silence. */
export function planted(bug: PlantedBug): string {
  const source = readFileSync(join(rootFolder(), bug.file), 'utf8');
  const parts = source.split(bug.find);
  if (parts.length !== 2) {
    throw new Error(`bug "${bug.name}": its text occurs ${parts.length - 1} times in ${bug.file}, once is right`);
  }
  return parts.join(bug.replace);
}

export type Format = 'commonjs' | 'nodenext';

/** Where the file of a bug is below the folder that `compilePlanted` fills. */
export function compiledFile(bug: PlantedBug): string {
  return join('compiled', bug.name, builtName(bug.file));
}

export function builtName(source: string): string {
  return source.replace(/\.ts$/, '.js');
}

/** Compiles the changed file of each bug, alone: what it imports is not looked at. */
export function compilePlanted(place: string, bugs: readonly PlantedBug[], format: Format): void {
  for (const bug of bugs) {
    const file = join(place, 'sources', bug.name, bug.file);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, planted(bug));
  }
  const type = format === 'commonjs' ? 'commonjs' : 'module';
  writeFileSync(join(place, 'package.json'), `{ "type": "${type}" }\n`);
  symlinkSync(join(rootFolder(), 'node_modules'), join(place, 'node_modules'));
  compile(join(place, 'planted.json'), {
    compilerOptions: { ...optionsOf(format), rootDir: 'sources', outDir: 'compiled', noResolve: true },
    include: ['sources'],
  });
}

/** Compiles these files, paths in the checkout, and all of it that they import, into a folder. */
export function compileProgram(place: string, entries: readonly string[], folder: string): void {
  const root = rootFolder();
  compile(join(place, 'program.json'), {
    compilerOptions: { ...optionsOf('commonjs'), moduleResolution: 'bundler', rootDir: root, outDir: folder },
    files: entries.map((entry) => join(root, entry)),
  });
}

function optionsOf(format: Format): object {
  return {
    module: format,
    esModuleInterop: true,
    verbatimModuleSyntax: format !== 'commonjs',
    rewriteRelativeImportExtensions: true,
    noCheck: true,
    types: [],
  };
}

function compile(file: string, settings: object): void {
  writeFileSync(file, JSON.stringify({ extends: join(rootFolder(), 'tsconfig.base.json'), ...settings }));
  const compiler = join(rootFolder(), 'node_modules', 'typescript', 'bin', 'tsc');
  const run = spawnSync(process.execPath, [compiler, '-p', file], { encoding: 'utf8' });
  if (run.status !== 0) throw new Error(`the planted sources do not compile:\n${run.stdout}${run.stderr}`);
}
