/**
 * Keeps the shape of the project: who may import whom, words that do not belong, sizes, state, and the papers that
 * must say what the code says. Each rule is also shown a planted violation, so that none can fall asleep.
 */
import { describe, expect, it } from 'vitest';
import { checkImports, unitOf, UNITS } from './tidy/imports.ts';
import { castsOf, checkCasts, checkHeads, checkNames, checkSizes, checkState } from './tidy/shape.ts';
import { functionsOf, importsOf, parse, type Problem, type Source } from './tidy/source.ts';
import { checkArchitecture, checkLinks, checkProtocolPaper } from './tidy/papers.ts';
import { exists, papers, readPage, readSources, sourceFolders } from './tidy/tree.ts';
import { BANS, checkWords } from './tidy/words.ts';

const CHECKS = [checkImports, checkWords, checkSizes, checkNames, checkHeads, checkState, checkCasts];

const say = (problems: readonly Problem[]) =>
  problems.map(({ rule, path, line, cure }) => `${path}:${line} [${rule}] ${cure}`);

describe('the project', () => {
  const sources = readSources();

  for (const check of CHECKS) {
    it(`keeps the rules of ${check.name}`, () => {
      expect(say(check(sources))).toEqual([]);
    });
  }

  it('was read, and not an empty folder', () => {
    const visited = (prefix: string) => sources.filter((source) => source.path.startsWith(prefix)).length;
    expect(visited('src/')).toBeGreaterThan(60);
    expect(visited('src/engine/')).toBeGreaterThan(15);
    expect(visited('protocol/')).toBeGreaterThan(8);
    expect(visited('test/')).toBeGreaterThan(30);
    expect(sources.flatMap((source) => importsOf(source)).length).toBeGreaterThan(400);
    expect(sources.flatMap((source) => functionsOf(source)).length).toBeGreaterThan(500);
    expect(castsOf(sources).lines).toBeGreaterThan(5_000);
    const units = new Set(sources.map((source) => unitOf(source.path)));
    const empty = Object.keys(UNITS).filter((name) => !units.has(name));
    expect(empty, 'a unit of the import table without a file').toEqual([]);
  });
});

describe('the papers', () => {
  const protocol = readPage('protocol/PROTOCOL.md');
  const architecture = readPage('docs/ARCHITECTURE.md');
  const repository = { folders: sourceFolders(), exists };
  const cures = (problems: readonly Problem[]) => problems.map((problem) => problem.cure).join('\n');

  it('PROTOCOL.md and the code name the same codes, methods and frames', () => {
    expect(say(checkProtocolPaper(protocol))).toEqual([]);
  });

  it.each([
    ['an error code that the code does not have', 'DEADLINE`.', 'DEADLINE`, `MADE_UP`.', 'names MADE_UP'],
    ['a missing error code', /^\| `STALE_TOKEN`.*\n/m, '', 'lacks this row of error codes: STALE_TOKEN'],
    ['another type', /^(\| `NOT_FOUND` *\|) not_found/m, '$1 conflict', 'lacks this row of error codes: NOT_FOUND'],
    [
      'another retryability',
      /(`INTERNAL` *\| internal *\|) no/,
      '$1 yes',
      'the code does not: INTERNAL | internal | yes',
    ],
    ['a missing close code', /^\| 4008 .*\n/m, '', 'lacks this row of close codes: 4008'],
    ['another close code', /^\| 4008 /m, '| 4009 ', 'that the code does not: 4009'],
    ['a missing method', /^\| `task.cancel`.*\n/m, '', 'lacks this row of methods: task.cancel'],
    [
      'a role too many',
      /^(\| `task.retry`.*\| yes *\| yes *\|) *\|/m,
      '$1 yes |',
      'lacks this row of methods: task.retry',
    ],
    ['a method without its section', '### task.accept\n', '', 'lacks this row of headings of methods: task.accept'],
    ['a section without its method', '### task.accept\n', '### task.accept\n### task.steal\n', 'does not: task.steal'],
    ['another number of a frame', /^\| 19( *\| REAUTH)/m, '| 23$1', 'lacks this row of frames: 19 | REAUTH'],
    ['no table', /^## .*Close codes[^]*?(?=^## )/m, '', 'has no table of close codes'],
  ])('a planted fault in PROTOCOL.md is reported: %s', (_, from, to, report) => {
    const planted = protocol.replace(from, to);
    expect(planted).not.toBe(protocol);
    expect(cures(checkProtocolPaper(planted))).toContain(report);
  });

  it('ARCHITECTURE.md is short, and names what is there and all of it', () => {
    expect(say(checkArchitecture(architecture, repository))).toEqual([]);
    const planted = `${architecture}\n\`src/nothing/x.ts\`${'\n'.repeat(300)}`;
    const reported = cures(
      checkArchitecture(planted, { ...repository, folders: [...repository.folders, 'src/newcomer'] }),
    );
    expect(reported).toContain('names src/nothing/x.ts');
    expect(reported).toContain('300 are the most');
    expect(reported).toContain('does not say what lives in src/newcomer/');
  });

  it('links lead somewhere', () => {
    const all = papers();
    expect(all.length).toBeGreaterThan(8);
    expect(say(all.flatMap((path) => checkLinks(path, readPage(path), exists)))).toEqual([]);
    const planted = '[a](../README.md) [b](gone.md#x) [c](https://example.org) [d](#here)';
    expect(checkLinks('docs/x.md', planted, (path) => path === 'README.md').map(({ cure }) => cure)).toEqual([
      'gone.md leads nowhere.',
    ]);
  });
});

/** A file with a proper head, so that one violation is planted at a time. */
const file = (path: string, body: string): Source => parse(path, `/** Owns a plant. */\n${body}\n`);
const lines = (count: number, line = 'f();') => `${line}\n`.repeat(count);

/** Each planted violation must be reported under its rule, and the cure beside it must not. */
const PLANTS: readonly { readonly rule: string; readonly bad: Source; readonly good: Source }[] = [
  {
    rule: 'imports',
    bad: file('src/engine/tasks/x.ts', "import { a } from '../../node/port.ts';"),
    good: file('src/engine/tasks/x.ts', "import { a } from '../../base/assert.ts';"),
  },
  {
    rule: 'imports',
    bad: file('src/engine/x.ts', "import type { A } from 'node:fs';"),
    good: file('src/log/x.ts', "import type { A } from 'node:fs';"),
  },
  {
    rule: 'imports',
    bad: file('protocol/wire/x.ts', "export { z } from 'zod';"),
    good: file('protocol/schema/x.ts', "export { z } from 'zod';"),
  },
  {
    rule: 'imports',
    bad: file('src/node/x.ts', "import { a } from '../engine/tasks/tasks.ts';"),
    good: file('src/node/x.ts', "import { a } from '../engine/port.ts';"),
  },
  {
    rule: 'imports',
    bad: file('src/client/core.ts', "const a = await import('ws');"),
    good: file('src/client/node.ts', "const a = await import('ws');"),
  },
  {
    rule: 'imports',
    bad: file('src/session/x.ts', "new Worker(new URL('../log/x.ts', import.meta.url));"),
    good: file('src/log/y.ts', "new Worker(new URL('../log/x.ts', import.meta.url));"),
  },
  {
    rule: 'imports',
    bad: file('test/simulation/checker/x.ts', "import { a } from '../../../src/engine/port.ts';"),
    good: file('test/simulation/x.ts', "import { a } from '../../src/engine/port.ts';"),
  },
  {
    rule: 'imports',
    bad: file('src/http/x.ts', "import { a } from '../node/port.ts';\nimport b from './b';"),
    good: file('src/http/x.ts', "import { a } from '../node/port.ts';"),
  },
  { rule: 'imports', bad: file('src/newcomer/x.ts', 'f();'), good: file('src/jobs/x.ts', 'f();') },
  {
    rule: 'engine: time',
    bad: file('src/engine/x.ts', 'const a = Date.now();'),
    good: file('src/engine/x.ts', "// Date.now()\nconst a = 'Date';"),
  },
  {
    rule: 'engine: randomness',
    bad: file('src/engine/x.ts', 'f(`${Math.random()}`);'),
    good: file('src/engine/x.ts', 'f(`Math.random()`);'),
  },
  {
    rule: 'engine: platform',
    bad: file('src/engine/x.ts', 'Buffer.from(a);'),
    good: file('src/engine/x.ts', 'const ringBuffer = processed;'),
  },
  {
    rule: 'engine: locale',
    bad: file('src/engine/x.ts', 'a.localeCompare(b);'),
    good: file('src/engine/x.ts', 'compare(a, b);'),
  },
  {
    rule: 'engine: floats',
    bad: file('src/engine/x.ts', 'f(a ** 2);'),
    good: file('src/engine/x.ts', 'f(a * 2 * b * 2 ** 40);'),
  },
  {
    rule: 'engine: floats',
    bad: file('src/engine/x.ts', 'f(Math.pow(a, 2));'),
    good: file('src/engine/x.ts', 'f(Math.floor(a));'),
  },
  {
    rule: 'engine: collector',
    bad: file('src/engine/x.ts', 'new WeakRef(a);'),
    good: file('src/engine/x.ts', 'new Ref(a);'),
  },
  {
    rule: 'callbacks below the SDK',
    bad: file('src/node/x.ts', 'export async function f() {}'),
    good: file('src/client/x.ts', 'export async function f() {}'),
  },
  {
    rule: 'clocks by port',
    bad: file('src/session/x.ts', 'setTimeout(f, 10);'),
    good: file('src/session/x.ts', 'scheduler.after(10, f);'),
  },
  {
    rule: 'randomness by port',
    bad: file('src/access/x.ts', 'const key = randomBytes(16);'),
    good: file('src/access/x.ts', 'const key = entropy(16);'),
  },
  { rule: 'process', bad: file('src/http/x.ts', 'process.exit(1);'), good: file('src/cli/x.ts', 'process.exit(1);') },
  { rule: 'output', bad: file('src/cli/x.ts', 'console.log(a);'), good: file('src/cli/x.ts', 'output.write(a);') },
  {
    rule: 'any',
    bad: file('src/jobs/x.ts', 'function f(a: any) {}'),
    good: file('src/jobs/x.ts', 'function f(any: unknown) {}'),
  },
  {
    rule: 'suppression',
    bad: file('src/jobs/x.ts', '// @ts-expect-error\nf();'),
    good: file('src/jobs/x.ts', '// expected\nf();'),
  },
  {
    rule: 'unfinished',
    bad: file('src/jobs/x.ts', '// TODO later\nf();'),
    good: file('src/jobs/x.ts', '// done\nf();'),
  },
  {
    rule: 'only erasable syntax',
    bad: file('src/jobs/x.ts', 'export enum A { B }'),
    good: file('src/jobs/x.ts', 'export const A = { B: 1 } as const;'),
  },
  {
    rule: 'named exports',
    bad: file('src/jobs/x.ts', 'export default f;'),
    good: file('src/jobs/x.ts', 'export { f };'),
  },
  {
    rule: 'every test runs',
    bad: file('test/x.test.ts', "it.skip('a', f);"),
    good: file('test/x.test.ts', "it.each([])('a', f);"),
  },
  {
    rule: 'no sleeps',
    bad: file('test/x.test.ts', 'await new Promise((resolve) => setTimeout(resolve, 10));'),
    good: file('test/x.test.ts', "await once(socket, 'close');"),
  },
  {
    rule: 'sizes',
    bad: file('src/jobs/x.ts', lines(600)),
    good: file('test/jobs/x.test.ts', lines(600)),
  },
  {
    rule: 'sizes',
    bad: file('src/jobs/x.ts', `class A {\n  static b(c: number): void {\n${lines(70)}  }\n}`),
    good: file('src/jobs/x.ts', `class A {\n  static b(c: number): void {\n${lines(60)}\n\n// why\n${lines(8)}  }\n}`),
  },
  {
    rule: 'sizes',
    bad: file('src/jobs/x.ts', `f(a, () => {\ng();\n${lines(70)}});`),
    good: file('src/jobs/x.ts', `const f = {\n${lines(80, '  a,')}};`),
  },
  { rule: 'names', bad: file('src/jobs/jobQueue.ts', 'f();'), good: file('src/jobs/job-queue.ts', 'f();') },
  {
    rule: 'heads',
    bad: parse('src/jobs/x.ts', 'f();\n'),
    good: parse('src/cli/x.ts', '#!/usr/bin/env node\n/** A. */\n'),
  },
  {
    rule: 'module state',
    bad: file('src/jobs/x.ts', 'let a = 1;'),
    good: file('src/jobs/x.ts', 'function f() {\n  let a = 1;\n}'),
  },
  {
    rule: 'module state',
    bad: file('src/jobs/x.ts', 'const a = new Map<string, number>();'),
    good: file('src/jobs/x.ts', 'const a: ReadonlyMap<string, number> = new Map([b]);\nconst c = new Uint8Array(0);'),
  },
  {
    rule: 'module state',
    bad: file('src/jobs/x.ts', 'export const a: string[] = [];'),
    good: file('src/jobs/x.ts', 'export const a = { b: 1 };\nconst c = [1, 2] as const;'),
  },
  {
    rule: 'module state',
    bad: file('src/jobs/x.ts', 'export const jobs = new EmbeddedJobs(a);'),
    good: file('src/jobs/x.ts', 'const form = new RegExp(a);\nexport const make = () => new EmbeddedJobs(a);'),
  },
  {
    rule: 'casts',
    bad: file('src/jobs/x.ts', 'f(a as B);\nf(c as D);'),
    good: file(
      'src/jobs/x.ts',
      "import { a as b } from './y.ts';\nimport * as z from './z.ts';\nconst e = [1] as const;\nf(a as B);",
    ),
  },
];

describe('a planted violation is reported', () => {
  const run = (source: Source) => [...CHECKS.flatMap((check) => check([source])), ...checkCasts([source], 0)];

  for (const { rule, bad, good } of PLANTS) {
    const planted = bad.text.split('\n').slice(1, 3).join(' ').slice(0, 60).trim();
    it(`${rule}: ${bad.path}: ${planted}`, () => {
      expect(run(bad).map((problem) => problem.rule)).toContain(rule);
      expect(say(run(good).filter((problem) => problem.rule === rule))).toEqual([]);
    });
  }

  it('for every rule', () => {
    const shape = ['imports', 'sizes', 'names', 'heads', 'module state', 'casts'];
    const rules = [...BANS.map((ban) => ban.rule), ...shape];
    expect([...new Set(PLANTS.map((plant) => plant.rule))].sort()).toEqual([...rules].sort());
  });

  it('on its own line', () => {
    expect(checkWords([file('src/engine/x.ts', '\n\nconst a =\n  Date.now();')])[0]?.line).toBe(5);
  });

  it('when the ratchet list has room to spare, or names what is gone', () => {
    const big = file('src/jobs/x.ts', lines(700));
    const size = big.text.split('\n').length - 1;
    expect(checkSizes([big], { 'src/jobs/x.ts': size })).toEqual([]);
    expect(checkSizes([big], { 'src/jobs/x.ts': 800 })[0]?.cure).toContain('lower its entry');
    expect(checkSizes([big], { 'src/jobs/x.ts': 650 })[0]?.cure).toContain('has grown');
    expect(checkSizes([file('src/jobs/x.ts', 'f();')], { 'src/jobs/x.ts': 700 })[0]?.cure).toContain('fits now');
    expect(checkSizes([], { 'src/jobs/x.ts': 700 })[0]?.cure).toContain('is gone');
  });
});

it('the number of casts may only fall', () => {
  const casts = file('src/jobs/x.ts', lines(40, 'f(a as B);'));
  expect(checkCasts([casts], 40)).toEqual([]);
  expect(checkCasts([casts], 39)[0]?.cure).toContain('40 casts');
  expect(checkCasts([casts], 100)[0]?.cure).toContain('lower the number');
});

describe('the scanner', () => {
  const code = (text: string) => parse('x.ts', text).code;

  it('blanks comments, strings, templates and regular expressions, and nothing else', () => {
    expect(code('a /* b */ + c // d\ne')).toBe('a         + c     \ne');
    expect(code(`f('Date', "it's", 1)`)).toBe(`f('    ', "    ", 1)`);
    expect(code('`a ${b + `c${d}`} e` + f')).toBe('`  ${b + ` ${d}`}  ` + f');
    expect(code('return /[/"]\\/x/g.test(a) / b / c')).toBe('return /        g.test(a) / b / c');
    expect(code("'\\'' + a")).toBe("'  ' + a");
  });

  it('finds every form of import', () => {
    const text = [
      "import a, { type b } from 'one';",
      "import type { c } from 'two';",
      "import 'three';",
      "export * from 'four';",
      "export { d } from 'five';",
      "await import('six');",
      "import {\n  e,\n} from 'seven';",
      "workerUrl(import.meta.url, './eight.ts');",
      "export const f = 'no import';",
      "// import g from 'comment';",
      "type H = import('nine').H;",
    ].join('\n');
    expect(importsOf(parse('x.ts', text)).map((found) => found.specifier)).toEqual([
      'one',
      'two',
      'three',
      'four',
      'five',
      'six',
      'seven',
      './eight.ts',
      'nine',
    ]);
  });

  it('finds functions of every form and measures their code', () => {
    const text =
      'function a() {\n}\nconst b = () => {\n  f();\n\n};\nclass C {\n  #d(e: number): number {\n    if (e) {\n      f();\n    }\n  }\n}';
    expect(functionsOf(parse('x.ts', text)).map(({ header, lines: size }) => [header, size])).toEqual([
      ['function a()', 2],
      ['const b = () =>', 3],
      ['#d(e: number): number', 5],
    ]);
  });
});
