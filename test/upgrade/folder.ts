/**
 * Data directories that servers of former versions wrote, packed: what was asked of those servers, what they answered, and
 * the files that they left when they were stopped.
 *
 * They are frozen. The one of a new version of the engine is made when that version is finished:
 * `GOLDEN=write npx vitest run test/upgrade`.
 */
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync, brotliDecompressSync } from 'node:zlib';
import { z } from 'zod';
import type { Place } from '../cli/processes.ts';

const FOLDERS = fileURLToPath(new URL('./folders/', import.meta.url));

const shape = z.strictObject({
  engineVersion: z.number(),
  tasks: z.array(z.strictObject({ id: z.string(), status: z.string(), result: z.unknown().optional() })),
  document: z.string().optional(),
  files: z.record(z.string(), z.base64()),
});
export type Folder = z.output<typeof shape>;

/** What the document says. */
export const TEXT = '# One\n\nWhat was written.\n';

export function foldersThere(): readonly Folder[] {
  const names = readdirSync(FOLDERS).filter((name) => name.endsWith('.json.br'));
  const folders = names.map((name) => {
    const text = brotliDecompressSync(readFileSync(join(FOLDERS, name))).toString();
    return shape.parse(JSON.parse(text));
  });
  return folders.sort((a, b) => a.engineVersion - b.engineVersion);
}

export function unpack({ files }: Folder, data: string): void {
  for (const [name, content] of Object.entries(files)) {
    const path = join(data, name);
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    writeFileSync(path, Buffer.from(content, 'base64'), { mode: 0o600 });
  }
}

/** The directory of the present version, where it is wanted and not there yet. */
export async function writeIfAsked(place: Place, engineVersion: number): Promise<void> {
  const isThere = foldersThere().some((folder) => folder.engineVersion === engineVersion);
  if (process.env['GOLDEN'] === 'write' && !isThere) await write(place, engineVersion);
}

/** Runs a server in an empty place, works with it, stops it, and packs what it left. */
async function write(place: Place, engineVersion: number): Promise<void> {
  await place.serve();
  const worker = place.start('agent', '--name', 'worker', '--capability', 'work', '--json', '--', 'cat');
  await worker.event('online');
  const client = await place.client();
  const ids: string[] = [];
  for (let i = 0; i < 8; i += 1) {
    ids.push((await client.task.create({ type: 'work', parameters: { i, text: 'é '.repeat(i) } })).task.id);
  }
  const tasks: Folder['tasks'] = [];
  for (const id of ids) {
    const { status, result } = await client.task.wait(id, { timeoutMs: 30_000 });
    tasks.push({ id, status, result });
  }
  await worker.stop();
  for (let i = 0; i < 3; i += 1) {
    const { task } = await client.task.create({ type: 'later', parameters: { i } });
    tasks.push({ id: task.id, status: task.status });
  }
  const { document } = await client.document.create({ name: 'Notes', content: TEXT });
  await client.workspace.create({ name: 'Team' });
  await place.server.stop('SIGTERM');
  const names = readdirSync(place.data, { recursive: true, encoding: 'utf8' });
  const files = names
    .filter((name) => statSync(join(place.data, name)).isFile())
    .map((name) => [name, readFileSync(join(place.data, name)).toString('base64')]);
  const folder: Folder = { engineVersion, tasks, document: document.id, files: Object.fromEntries(files) };
  writeFileSync(join(FOLDERS, `engine-${engineVersion}.json.br`), brotliCompressSync(JSON.stringify(folder)));
}
