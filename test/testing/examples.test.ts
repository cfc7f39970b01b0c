/** The examples of docs/documents.md and docs/workspaces.md, run as their reader would: each page in one program, with a server in memory. */
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../../', import.meta.url));
const place = mkdtempSync(join(tmpdir(), 'muster-examples-'));

beforeAll(() => {
  mkdirSync(join(place, 'node_modules'));
  symlinkSync(root, join(place, 'node_modules', 'muster'));
});
afterAll(() => rmSync(place, { recursive: true, force: true }));

interface Page {
  readonly name: string;
  /** What stands before each of its examples, and then behind the last. */
  readonly between: readonly string[];
}

const PAGES: readonly Page[] = [
  {
    name: 'documents',
    between: [
      '',
      `assert.equal((await client.document.get({ id: document.id })).content, '# One\\n\\nA\\n\\n# Two\\n\\nb\\n');`,
      `assert.equal((await client.document.get({ id: document.id })).content, '# One\\n\\nA\\n\\n# Two\\n\\nB\\n');`,
      `assert.equal(pages.length, '# One\\n\\n'.length + 'a line\\n'.length * 100_000);
       const todo = await client.document.create({ name: 'todo', content: 'The release is to be done as planned.\\n' });`,
      `assert.deepEqual([hits.length, cursor, said.length], [1, undefined, 1]);
       assert.deepEqual(said.pop(), ['todo', 's1', 'release']);
       const { id } = todo.document;
       const reorder = (content) => content.replace('release', 'next release');`,
      `await muster.settle();
       const before = (await client.document.get({ id })).version;
       await client.document.edit(id, (content) => content.replace('planned', 'said'));
       await muster.settle();
       assert.match((await client.document.get({ id })).content, /^The next release is to be done as said/);
       assert.deepEqual(said[0]?.slice(0, 2), ['document.updated', before + 1]);`,
    ],
  },
  {
    name: 'workspaces',
    between: [
      `const deploy = async () => said.push(['deployed']);`,
      `assert.deepEqual(said.splice(0), [['deployed']]);
       await client.sharedState.apply({ workspaceId, ops: [{ op: 'increment', key: 'builds', by: 1 }] });
       await muster.settle();
       assert.equal(said[0][0], 'workspace.state');
       assert.deepEqual((await client.sharedState.get({ workspaceId })).values, { builds: 2 });
       assert.equal((await client.member.list({ workspaceId })).members.length, 2);
       assert.equal((await client.task.search({ status: 'pending' })).tasks.length, 1);`,
    ],
  },
];

it.each(PAGES)('those of $name do what they say', async ({ name, between }) => {
  const page = readFileSync(join(root, 'docs', `${name}.md`), 'utf8');
  const examples = Array.from(page.matchAll(/^```js\n([^]*?)^```$/gm), ([, example = '']) => example);
  expect(examples).toHaveLength(between.length - 1);
  const program = `
    import assert from 'node:assert/strict';
    import { testServer } from 'muster/testing';
    const muster = await testServer();
    const client = await muster.connect();
    const said = [];
    const console = { log: (...words) => said.push(words) };
    ${between.map((more, at) => `${more}\n${examples[at] ?? ''}`).join('\n')}
    await muster.close();
    process.stdout.write('done');
  `;
  const file = join(place, `${name}.mjs`);
  writeFileSync(file, program);
  const { stdout } = await promisify(execFile)(process.execPath, [file], { cwd: place });
  expect(stdout).toBe('done');
});
