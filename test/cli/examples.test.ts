/** What README.md, docs/documents.md and docs/workspaces.md have their reader type into a shell and into programs, with one real server. */
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { must } from '../../src/base/assert.ts';
import { Place, type Ended } from './processes.ts';

/** What is edited is its last section, at its end. */
const PLAN =
  '# Plan\n\nThe release is to be done as planned.\n\n## Open questions\n\nWhen?\n\nThose are all for now.\n\n';

let place: Place;
let httpUrl: string;

beforeAll(async () => {
  const programs: { PATH: string } = { PATH: '' };
  place = new Place(programs);
  const folder = place.path('programs');
  programs.PATH = [folder, process.env['PATH'] ?? ''].join(delimiter);
  mkdirSync(folder);
  // An editor that needs nobody.
  writeFileSync(place.path('programs/vi'), '#!/bin/sh\necho "And who?" >> "$1"\n');
  chmodSync(place.path('programs/vi'), 0o755);
  httpUrl = String((await place.serve())['httpUrl']);
});

afterAll(async () => {
  await place.close();
});

/** Each example of a page in a language, as it stands there. */
function blocksOf(page: string, language: 'sh' | 'js'): string[] {
  const text = readFileSync(new URL(`../../${page}.md`, import.meta.url), 'utf8');
  return Array.from(text.matchAll(new RegExp(`^\`\`\`${language}\\n([^]*?)^\`\`\`$`, 'gm')), ([, block = '']) =>
    block.trim(),
  );
}

/** The lines of each example of a page, without remarks. */
function examplesOf(page: string): string[][] {
  return blocksOf(page, 'sh').map((block) => block.split('\n').map((line) => line.replace(/ +# .*$/, '')));
}

/** Of one command, as a shell splits them. */
function wordsOf(command: string): string[] {
  return Array.from(command.matchAll(/'([^']*)'|(\S+)/g), ([, quoted, plain]) => quoted ?? plain ?? '');
}

/** A line of commands that depend on each other (`||`, `&&`); what each did. */
async function run(line: string): Promise<Ended[]> {
  const done: Ended[] = [];
  for (const [, joint = '', command = ''] of line.matchAll(/(?:^|(\|\||&&) )(.+?)(?= (?:\|\||&&) |$)/g)) {
    const before = done.at(-1)?.code === 0;
    if ((joint === '||' && before) || (joint === '&&' && !before)) continue;
    const [program = '', ...args] = wordsOf(command);
    if (program === 'muster') done.push(await place.runQuickly(...args));
    else execFileSync(place.path(`programs/${program}`), args, { cwd: place.folder });
  }
  return done;
}

/** All that was run was done; what the last one said. */
function said(done: readonly Ended[]): string {
  expect(done.filter(({ code }) => code !== 0)).toEqual([]);
  return done.at(-1)?.out ?? '';
}

it('documents: a file is made a document, edited, merged, found, and locked', async () => {
  const [first = [], upload = [], search = [], more = []] = examplesOf('docs/documents');
  writeFileSync(place.path('plan.md'), PLAN);
  const [create = '', pull = '', edit = '', push = ''] = first;
  const id = said(await run(create)).trim();
  // As it is somewhere else.
  for (const file of ['plan.md', '.plan.md.muster-doc.json']) rmSync(place.path(file));
  expect(said(await run(pull.replace('doc_…', id)))).toBe('plan.md: is now version 1\n');
  await run(edit);
  expect(said(await run(push))).toBe('plan.md: is now version 2\n');
  expect(said(await run(search.join('\n')))).toContain(id);

  const [merge = '', lock = ''] = more;
  await run('vi plan.md');
  const client = await place.client();
  await client.document.edit(id, (content) => content.replace('When?', 'When then?'));
  const done = await run(merge);
  expect(done.map(({ code }) => code)).toEqual([9, 0, 0]);
  expect(said(await run(lock))).toBe('plan.md: is now version 5\n');
  const edited = `${PLAN.replace('When?', 'When then?')}${'And who?\n'.repeat(3)}`;
  expect((await client.document.get({ id })).content).toBe(edited);
  expect([first.length, upload.length, search.length, more.length]).toEqual([4, 1, 1, 2]);
});

it('documents: a blob is put by curl', async () => {
  const [line = ''] = examplesOf('docs/documents')[1] ?? [];
  writeFileSync(place.path('book.md'), PLAN);
  const key = place.read('data/admin.key').trim();
  // The shell makes of it what curl is given.
  const given = execFileSync('sh', ['-c', `curl() { printf '%s\\n' "$@"; }\n${line}`], {
    cwd: place.folder,
    env: { ...process.env, MUSTER_KEY: key },
    encoding: 'utf8',
  });
  const [put, file = '', header, authorization = '', url = ''] = given.trim().split('\n');
  expect([put, header, url.startsWith('http://127.0.0.1:7421/v1/blobs/')]).toEqual(['-T', '-H', true]);
  const [name = '', value = ''] = authorization.split(': ');
  const answer = await fetch(url.replace('http://127.0.0.1:7421', httpUrl), {
    method: 'PUT',
    headers: { [name]: value },
    body: place.read(file),
  });
  expect([answer.status, await answer.json()]).toEqual([201, { offset: PLAN.length, complete: true }]);
  const blob = must(url.split('/').at(-1), 'a name');
  const { document } = await (await place.client()).document.create({ name: 'book', blob });
  expect(document.bytes).toBe(PLAN.length);
});

it('workspaces: one is made, and all else is done in it', async () => {
  const [[create = '', ...rest] = [], ...others] = examplesOf('docs/workspaces');
  const id = said(await run(create)).trim();
  expect([rest.length, others]).toEqual([6, []]);
  const outputs: string[] = [];
  for (const line of rest) outputs.push(said(await run(line.replace('wsp_…', id))));
  expect(outputs).toEqual([
    'agent:reviewer is editor\n',
    expect.stringMatching(/\nagent:reviewer +editor +/),
    'version 1\n',
    expect.stringMatching(/\nmembers +/),
    expect.stringContaining('workspace.'),
    expect.stringMatching(/./),
  ]);
});

it('README: an agent in ten lines is given work and told something; a lock; a text', () => {
  const blocks = blocksOf('README', 'js');
  const [agent = '', work = '', words = '', lock = '', text = ''] = blocks;
  expect([blocks.length, agent.split('\n').length]).toEqual([5, 11]);
  const program = [
    agent.replace('ws://127.0.0.1:7420/v1', place.url),
    work,
    'console.log(result.text);',
    "const heard = new Promise((resolve) => client.on('notification', resolve));",
    words,
    'await heard;',
    "const deploy = async ({ fence, signal }) => console.log('deployed', /^[0-9]+$/.test(fence), signal.aborted);",
    lock,
    "const { document: { id } } = await client.document.create({ name: 'plan', content: 'a draft' });",
    text,
    'console.log((await client.document.get({ id })).content);',
    'await client.close();',
  ].join('\n');
  // In this clone the package finds itself by its name, as the page says.
  const out = execFileSync(process.execPath, ['--input-type=module', '--eval', program], {
    cwd: new URL('../../', import.meta.url),
    env: { ...process.env, MUSTER_KEY: place.read('data/admin.key').trim() },
    encoding: 'utf8',
    timeout: 30_000,
  });
  expect(out.split('\n')).toEqual(['Hello, Ada', 'style be brief today', 'deployed true false', 'a final', '']);
});

it('README: an agent from any program, and a program under a lock', async () => {
  const lines = examplesOf('README')
    .flat()
    .filter((line) => line.startsWith('npx muster '));
  const wordsAfter = (start: string): string[] => {
    const line = must(
      lines.find((one) => one.startsWith(start)),
      start,
    );
    return wordsOf(line.slice('npx muster '.length));
  };
  for (const [name, does] of [
    ['make-thumbnail.sh', 'cat > task.json\necho "::progress 40 text"\necho "{\\"of\\": \\"$MUSTER_TASK_TYPE\\"}"'],
    ['deploy.sh', 'echo deployed'],
  ] as const) {
    writeFileSync(place.path(name), `#!/bin/sh\n${does}\n`);
    chmodSync(place.path(name), 0o755);
  }
  const [agent = '', ...flags] = wordsAfter('npx muster agent');
  const running = place.start(agent, '--json', ...flags);
  const done = await place.run(...wordsAfter('npx muster task create'));
  expect([done.code, JSON.parse(done.out)]).toEqual([0, { of: 'thumbnail' }]);
  expect(JSON.parse(place.read('task.json'))).toMatchObject({ type: 'thumbnail', parameters: { file: 'a.png' } });
  expect(await running.stop()).toBe(0);
  expect(await place.run(...wordsAfter('npx muster lock run'))).toMatchObject({ code: 0, out: 'deployed\n' });
});
