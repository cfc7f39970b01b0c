/** Reads the project's own files. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse, type Source } from './source.ts';

export const ROOT = fileURLToPath(new URL('../../', import.meta.url));

const FOLDERS = ['src', 'protocol', 'test', 'bench', 'bin', 'scripts'];

/** All TypeScript and JavaScript files, with `/` in their paths, in a fixed order. */
export function readSources(): Source[] {
  const paths = FOLDERS.flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' }).map(
      (name) => `${folder}/${name.replaceAll('\\', '/')}`,
    ),
  );
  return paths
    .filter((path) => /\.(?:ts|js)$/.test(path))
    .sort()
    .map((path) => parse(path, readFileSync(join(ROOT, path), 'utf8')));
}

export function readPage(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8');
}

export function exists(path: string): boolean {
  return existsSync(join(ROOT, path));
}

/** Folders of src that hold anything. */
export function sourceFolders(): string[] {
  const entries = readdirSync(join(ROOT, 'src'), { withFileTypes: true });
  const folders = entries.filter((entry) => entry.isDirectory()).map((entry) => `src/${entry.name}`);
  return folders.filter((folder) => readdirSync(join(ROOT, folder)).length > 0);
}

/** All papers of the project. */
export function papers(): string[] {
  const below = (folder: string) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' }).map((name) => `${folder}/${name}`);
  return [...readdirSync(ROOT), ...below('docs'), ...below('protocol')].filter((path) => path.endsWith('.md')).sort();
}
