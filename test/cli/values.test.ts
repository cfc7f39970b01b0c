import { mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ProgramLines, type ProgramResult } from '../../src/cli/agent/lines.ts';
import { nextSteps } from '../../src/cli/commands/serve.ts';
import { isUnchanged, pickFiles } from '../../src/cli/demo/files.ts';
import { isAtWork, readJournal, type JournalLine } from '../../src/cli/demo/journal.ts';
import { judge, kindsOf, type Evidence } from '../../src/cli/demo/verdict.ts';
import { KINDS, work } from '../../src/cli/demo/work.ts';
import { findServer } from '../../src/cli/discovery.ts';
import { CliError, Exit, told } from '../../src/cli/exit.ts';
import { columns, Output, toJson, when } from '../../src/cli/output.ts';
import { concurrencyOf, paramsOf } from '../../src/cli/task-flags.ts';
import {
  durationMs,
  instant,
  jsonValue,
  oneOf,
  pairs,
  restoreBinary,
  several,
  wholeNumber,
} from '../../src/cli/values.ts';
import { clientError, MusterError } from '../../src/client/errors.ts';
import { taskView } from '../client/peer.ts';

let folder = '';

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'muster-cli-'));
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

function put(path: string, text: string): string {
  mkdirSync(join(folder, path, '..'), { recursive: true });
  writeFileSync(join(folder, path), text);
  return join(folder, path);
}

describe('values of options', () => {
  it.each([
    ['250', 250],
    ['500ms', 500],
    ['1.5s', 1_500],
    ['5m', 300_000],
    ['2h', 7_200_000],
    ['1d', 86_400_000],
  ])('reads the duration %s', (text, ms) => expect(durationMs(text)).toBe(ms));

  it.each(['', 'soon', '-1s', '1w', '1 s 2', '1e9d'])('refuses the duration "%s"', (text) => {
    expect(() => durationMs(text)).toThrow(CliError);
  });

  it('reads instants with their zone', () => {
    expect(instant('2026-05-01T09:00:00Z')).toBe(Date.UTC(2026, 4, 1, 9));
    expect(instant('2026-05-01T09:00:00+02:00')).toBe(Date.UTC(2026, 4, 1, 7));
    expect(instant('1800000000000')).toBe(1_800_000_000_000);
    for (const wrong of ['', 'soon', '2026-05-01', '2026-05-01T09:00:00', '2026-13-01T09:00:00Z']) {
      expect(() => instant(wrong)).toThrow(CliError);
    }
  });

  it('reads whole numbers, pairs and repeated options', () => {
    expect(wholeNumber('12')).toBe(12);
    for (const wrong of ['', '1.5', '-1', 'x', '1e99']) expect(() => wholeNumber(wrong)).toThrow(CliError);
    expect(pairs(['a=1', 'b=x=y', 'c='])).toEqual({ a: '1', b: 'x=y', c: '' });
    for (const wrong of ['a', '=1']) expect(() => pairs([wrong])).toThrow(CliError);
    expect(several('b', several('a', undefined))).toEqual(['a', 'b']);
    expect(oneOf('low', 'high')('high')).toBe('high');
    expect(() => oneOf('low', 'high')('urgent')).toThrow(
      expect.objectContaining({ exit: Exit.USAGE, message: '"urgent" is none of low, high.' }),
    );
  });

  it('reads JSON from the argument, a file and standard input', () => {
    expect(jsonValue('{"a":[1,null,true]}')).toEqual({ a: [1, null, true] });
    expect(jsonValue(`@${put('p.json', '"text"')}`)).toBe('text');
    expect(jsonValue('-', () => '[1]')).toEqual([1]);
    expect(jsonValue('{"bytes":{"$bin":"AQI="},"plain":{"$bin":1}}')).toEqual({
      bytes: Uint8Array.of(1, 2),
      plain: { $bin: 1 },
    });
    expect(() => jsonValue('{')).toThrow(
      expect.objectContaining({ exit: Exit.USAGE, message: expect.stringContaining('not JSON') }),
    );
    expect(() => jsonValue(`@${join(folder, 'none')}`)).toThrow(expect.objectContaining({ exit: Exit.USAGE }));
  });

  it('makes params of a task from flags, and says nothing that was not said', () => {
    expect(paramsOf({ type: 'x' })).toEqual({ type: 'x' });
    expect(
      paramsOf({
        type: 'x',
        params: '{"n":1}',
        priority: 'high',
        require: ['a', 'b'],
        label: ['k=v'],
        timeout: 1,
        progressTimeout: 2,
        deadline: 3,
        delay: 4,
        attempts: 5,
        retryDelay: 6,
        retryDelayMax: 7,
        retryFactor: 8,
        strategy: 'capability_match',
        mode: 'offer',
        selector: ['mem>=32'],
        sticky: 's',
        stickyMode: 'hard',
        stickyFor: 9,
        concurrency: { key: 'c', max: 10 },
        lock: ['doc/7', 'style=shared'],
      }),
    ).toEqual({
      type: 'x',
      parameters: { n: 1 },
      priority: 'high',
      requirements: ['a', 'b'],
      labels: { k: 'v' },
      timeoutMs: 1,
      progressTimeoutMs: 2,
      deadlineMs: 3,
      delayMs: 4,
      retry: { maxAttempts: 5, initialDelayMs: 6, maxDelayMs: 7, factor: 8 },
      strategy: 'capability_match',
      mode: 'offer',
      selectors: ['mem>=32'],
      sticky: { key: 's', mode: 'hard', ttlMs: 9 },
      concurrency: { key: 'c', max: 10 },
      locks: [{ path: 'doc/7' }, { path: 'style', mode: 'shared' }],
    });
    expect(() => paramsOf({ type: 'x', stickyFor: 1 })).toThrow(/Say the key/);
    expect(() => paramsOf({ type: 'x', lock: ['a=mine'] })).toThrow(/"mine" is none of/);
  });

  it('reads a concurrency key, its bound and what becomes of one too many', () => {
    expect(concurrencyOf('db=2')).toEqual({ key: 'db', max: 2 });
    expect(concurrencyOf('a=b=1,cancelOld')).toEqual({ key: 'a=b', max: 1, policy: 'cancelOld' });
    for (const bad of ['db', '=1', 'db=', 'db=x', 'db=1,burn'])
      expect(() => concurrencyOf(bad), bad).toThrow(expect.objectContaining({ exit: Exit.USAGE }));
  });
});

describe('what serve proposes to do next', () => {
  it('finds its data directory, if that is not where the commands look', () => {
    expect(nextSteps(undefined)[0]).toBe('npx muster agent --name echo --capability echo -- cat');
    expect(nextSteps('/srv/muster')[0]).toBe(
      'npx muster agent --data /srv/muster --name echo --capability echo -- cat',
    );
    expect(nextSteps("/srv/it's here")[1]).toContain("create --data '/srv/it'\\''s here' --type");
  });
});

describe('which server', () => {
  const local = (): void => {
    put('data/admin.key', 'mu_default_1_s\n');
    put('data/address.json', '{"url":"ws://127.0.0.1:9999/v1"}');
  };

  it('takes the command line before the environment before the data directory before the default', () => {
    local();
    const data = join(folder, 'data');
    const env = { MUSTER_URL: 'ws://env', MUSTER_KEY: 'envkey', MUSTER_DATA: data };
    expect(findServer({ url: 'ws://flag', key: 'flagkey' }, env)).toEqual({ url: 'ws://flag', key: 'flagkey' });
    expect(findServer({}, env)).toEqual({ url: 'ws://env', key: 'envkey' });
    expect(findServer({}, { MUSTER_DATA: data })).toEqual({ url: 'ws://127.0.0.1:9999/v1', key: 'mu_default_1_s' });
    expect(findServer({ data }, {})).toEqual({ url: 'ws://127.0.0.1:9999/v1', key: 'mu_default_1_s' });
    rmSync(join(data, 'address.json'));
    expect(findServer({ data }, {}).url).toBe('ws://127.0.0.1:7420');
    put('data/address.json', '{"url":');
    expect(findServer({ data }, {}).url).toBe('ws://127.0.0.1:7420');
  });

  it('says how to give a key when there is none', () => {
    expect(() => findServer({ data: folder }, {})).toThrow(
      expect.objectContaining({ code: 'NO_KEY', exit: Exit.DENIED, message: expect.stringContaining('MUSTER_KEY') }),
    );
    expect(() => findServer({ data: folder, key: ' ' }, {})).toThrow(expect.objectContaining({ code: 'NO_KEY' }));
  });

  it('gives the key of this machine to addresses of this machine only', () => {
    local();
    const data = join(folder, 'data');
    for (const url of ['ws://localhost:1', 'ws://127.0.0.9:1', 'http://[::1]:1', 'ws://127.0.0.1:9999/v1'])
      expect(findServer({ data, url }, {}).key).toBe('mu_default_1_s');
    for (const url of [
      'ws://example.org',
      'ws://127.0.0.1.example.org',
      'wss://localhost.example.org',
      'ws://10.0.0.1',
      'ws://127.0.0.1:80@evil.example/v1',
      'ws://localhost@evil.example',
      'ws://[::1]@evil.example',
      'ws://evil.example\\@127.0.0.1',
      'ws://',
      'localhost',
    ]) {
      expect(() => findServer({ data, url }, {}), url).toThrow(expect.objectContaining({ code: 'NO_KEY' }));
    }
  });
});

describe('output', () => {
  function written(json: boolean, write: (output: Output) => void): { out: string; err: string } {
    const seen = { out: '', err: '' };
    write(new Output(json, { write: (text) => (seen.out += text) }, { write: (text) => (seen.err += text) }));
    return seen;
  }

  it('gives results in words or as one line of JSON', () => {
    const write = (output: Output): void => {
      output.note('by the way');
      output.say('for people');
      output.result({ a: 1 }, () => 'a is 1');
      output.event({ event: 'x', n: 1 }, 'x happened');
    };
    expect(written(false, write)).toEqual({ out: 'for people\na is 1\n', err: 'by the way\nx happened\n' });
    expect(written(true, write)).toEqual({ out: '{"a":1}\n{"event":"x","n":1}\n', err: '' });
  });

  it('gives errors with their code on standard error', () => {
    const error = { code: 'X', message: 'it broke', exit: Exit.FAILED, details: { path: 'a' } };
    expect(written(false, (output) => output.error(error))).toEqual({
      out: '',
      err: 'error: X: it broke\n{\n  "path": "a"\n}\n',
    });
    expect(written(true, (output) => output.error(error))).toEqual({
      out: '',
      err: '{"error":{"code":"X","message":"it broke","details":{"path":"a"}}}\n',
    });
  });

  it('writes bytes as the JSON variant of the protocol does', () => {
    expect(toJson({ a: Uint8Array.of(1, 2), b: Buffer.from([3]) })).toBe('{"a":{"$bin":"AQI="},"b":{"$bin":"Aw=="}}');
    expect(restoreBinary(JSON.parse(toJson(Uint8Array.of(1, 2))))).toEqual(Uint8Array.of(1, 2));
  });

  it('writes columns that other tools can cut', () => {
    expect(
      columns(
        ['ID', 'N'],
        [
          ['a', '1'],
          ['long', '22'],
        ],
        'none',
      ),
    ).toBe('ID    N\na     1\nlong  22');
    expect(columns(['ID'], [], 'none')).toBe('none');
    expect([when(0), when(undefined)]).toEqual(['1970-01-01 00:00:00', '']);
  });
});

describe('exit codes', () => {
  it.each([
    [clientError('CONNECT_TIMEOUT'), Exit.UNREACHABLE],
    [new MusterError('UNAUTHENTICATED', 'x'), Exit.DENIED],
    [new MusterError('UNAUTHORIZED', 'x'), Exit.DENIED],
    [new MusterError('TASK_FAILED', 'x'), Exit.TASK],
    [new MusterError('INVALID_TRANSITION', 'x'), Exit.FAILED],
    [clientError('INVALID_OPTIONS'), Exit.USAGE],
    [new CliError('NO_KEY', 'x', Exit.DENIED), Exit.DENIED],
    [Object.assign(new Error('x'), { code: 'EADDRINUSE' }), Exit.FAILED],
    [Object.assign(new Error('x'), { name: 'ConfigError' }), Exit.USAGE],
    ['words', Exit.FAILED],
  ])('%s', (error, exit) => expect(told(error).exit).toBe(exit));

  it.each([
    ['EADDRINUSE', '--port'],
    ['EADDRNOTAVAIL', '--host'],
  ])('%s of a server that is to listen says what to do next', (code, option) => {
    const fault = Object.assign(new Error(`listen ${code}: there is no listening 127.0.0.1:1`), {
      code,
      syscall: 'listen',
    });
    expect(told(fault)).toMatchObject({ code, message: 'there is no listening 127.0.0.1:1' });
    expect(told(fault).words).toContain(option);
    expect(told(Object.assign(fault, { syscall: 'connect' })).words).toBeUndefined();
  });
});

describe('output of a program', () => {
  function read(...chunks: (string | Uint8Array)[]): {
    result: ProgramResult;
    progress: [number, string | undefined][];
  } {
    const progress: [number, string | undefined][] = [];
    const lines = new ProgramLines(100, (percent, status) => progress.push([percent, status]));
    for (const chunk of chunks) lines.write(typeof chunk === 'string' ? Buffer.from(chunk) : chunk);
    return { result: lines.result(), progress };
  }
  const value = (of: unknown): ProgramResult => ({ kind: 'value', value: of as never });

  it.each<[string, string[], ProgramResult, [number, string | undefined][]]>([
    ['nothing', [], { kind: 'none' }, []],
    ['white space', [' \n'], { kind: 'none' }, []],
    ['JSON', ['{"a": [1]}\n'], value({ a: [1] }), []],
    ['text', ['done\n'], value('done'), []],
    ['progress only', ['::progress 40 reading files\n'], { kind: 'none' }, [[40, 'reading files']]],
    [
      'progress without text',
      ['::progress 7\n::progress 8.5 \n'],
      { kind: 'none' },
      [
        [7, undefined],
        [8.5, ''],
      ],
    ],
    ['progress in pieces', ['::pro', 'gress 1', '0 a b\n', '{"x"', ':1}'], value({ x: 1 }), [[10, 'a b']]],
    ['progress between', ['[1,\n', '::progress 50 half\n', '2]\n'], value([1, 2]), [[50, 'half']]],
    ['progress as the last line', ['x\n::progress 99'], value('x'), [[99, undefined]]],
    ['progress with a carriage return', ['::progress 5 dos\r\n'], { kind: 'none' }, [[5, 'dos']]],
    [
      'what only looks like progress',
      ['::progress\n::progress x\n a ::progress 4 b\n'],
      value('::progress\n::progress x\n a ::progress 4 b'),
      [],
    ],
    ['text that goes on with it in the same line', ['abc', '::progress 40 x\n'], value('abc::progress 40 x'), []],
    ['bytes', ['{"$bin":"AQ=="}'], value(Uint8Array.of(1)), []],
  ])('%s', (_name, chunks, result, progress) => expect(read(...chunks)).toEqual({ result, progress }));

  it('puts characters together that were cut', () => {
    const bytes = Buffer.from('"größe"');
    for (let at = 1; at < bytes.length; at += 1)
      expect(read(bytes.subarray(0, at), bytes.subarray(at)).result).toEqual(value('größe'));
  });

  it('keeps no more than a result may have', () => {
    expect(read('x'.repeat(80), '::progress 1\n', 'y'.repeat(10)).result).toMatchObject({
      kind: 'tooLarge',
      bytes: 103,
    });
    expect(read('x'.repeat(100)).result).toEqual(value('x'.repeat(100)));
    expect(read(`${'::progress 1 '.padEnd(5_000, 'z')}\n`).result).toMatchObject({ kind: 'tooLarge' });
  });
});

describe('files of the demonstration', () => {
  it('takes files of the folder, not hidden ones nor those of tools, spread and in order', () => {
    for (const path of [
      'a.txt',
      'b/c.txt',
      'b/d/e.txt',
      '.git/config',
      'node_modules/x/i.js',
      'dist/y.js',
      '.env',
      'empty',
    ])
      put(path, path === 'empty' ? '' : 'x');
    symlinkSync(folder, join(folder, 'loop'));
    const picked = (max: number) => {
      const { files, found } = pickFiles(folder, max);
      return [found, ...files.map((file) => file.path)];
    };
    expect(picked(10)).toEqual([3, 'a.txt', 'b/c.txt', 'b/d/e.txt']);
    expect(picked(2)).toEqual([3, 'a.txt', 'b/c.txt']);
    expect(() => pickFiles(join(folder, 'none'), 10)).toThrow(CliError);
    expect(() => pickFiles(join(folder, '.git'), 10)).not.toThrow();
    mkdirSync(join(folder, 'nothing'));
    expect(() => pickFiles(join(folder, 'nothing'), 10)).toThrow(expect.objectContaining({ exit: Exit.USAGE }));
  });

  it('knows a file that has changed', () => {
    put('a.txt', 'x');
    const [file] = pickFiles(folder, 1).files;
    expect(isUnchanged(folder, file!)).toBe(true);
    utimesSync(join(folder, 'a.txt'), 1, 1);
    expect(isUnchanged(folder, file!)).toBe(false);
  });

  it('does work that can be checked by other means', async () => {
    put('a.txt', 'one two\nthree\n\n  four');
    expect(await work('count', folder, 'a.txt')).toEqual({ bytes: 21, lines: 3, words: 4 });
    expect((await work('compress', folder, 'a.txt'))['gzip']).toBeGreaterThan(0);
    put('abc', 'abc');
    expect(await work('hash', folder, 'abc')).toEqual({
      bytes: 3,
      sha256: 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
    });
  });
});

describe('the verdict of the demonstration', () => {
  const line = (what: JournalLine['what'], at: number, more: Partial<JournalLine> = {}): JournalLine => ({
    at,
    agent: 'ant',
    pid: 1,
    task: 't1',
    token: '1',
    what,
    ...more,
  });
  const fine: Evidence = { kind: 'hash', task: taskView('t1', { status: 'completed' }), completions: 1, correct: true };
  const verdict = (
    evidence: Partial<Evidence>,
    journal: readonly JournalLine[] = [line('start', 1), line('end', 2)],
    killed = new Map<number, number>(),
  ) => judge(new Map([['t1', { ...fine, ...evidence }]]), journal, killed);

  it('finds a task that was done once', () => {
    expect(verdict({})).toMatchObject({
      ok: true,
      total: { tasks: 1, doneOnce: 1, retried: 0, executedAgain: 0, lost: 0, doubled: 0, wrong: 0 },
    });
    expect(verdict({ correct: undefined }).ok).toBe(true);
  });

  it.each<[string, Partial<Evidence>, readonly JournalLine[] | undefined, string]>([
    ['that the server does not know', { task: undefined }, undefined, 'lost'],
    ['that did not complete', { task: taskView('t1', { status: 'failed' }) }, undefined, 'lost'],
    ['whose result was taken twice', { completions: 2 }, undefined, 'doubled'],
    [
      'that two agents did at the same time',
      {},
      [
        line('start', 1),
        line('start', 2, { pid: 2, token: '2' }),
        line('end', 3),
        line('end', 4, { pid: 2, token: '2' }),
      ],
      'doubled',
    ],
    [
      'that somebody never ended while another did it',
      {},
      [line('start', 1), line('start', 9, { pid: 2, token: '2' }), line('end', 10, { pid: 2, token: '2' })],
      'doubled',
    ],
    ['whose result is wrong', { correct: false }, undefined, 'wrong'],
  ])('finds a task %s', (_name, evidence, journal, column) => {
    const found = verdict(evidence, journal);
    expect(found.ok).toBe(false);
    expect(found.total).toMatchObject({ tasks: 1, doneOnce: 0, [column]: 1 });
    expect(kindsOf(found).find(([name]) => name === 'hash')?.[1]).toEqual(found.total);
  });

  it('does not blame a task that was begun again after its agent was killed', () => {
    const journal = [
      line('start', 1),
      line('start', 9, { pid: 2, token: '2' }),
      line('end', 10, { pid: 2, token: '2' }),
    ];
    const found = verdict({ task: taskView('t1', { status: 'completed', losses: 1 }) }, journal, new Map([[1, 5]]));
    expect(found).toMatchObject({ ok: true, total: { doneOnce: 1, retried: 1, executedAgain: 1 } });
  });

  it('is not content with nothing', () => {
    expect(judge(new Map(), [], new Map()).ok).toBe(false);
    expect(kindsOf(judge(new Map(), [], new Map())).map(([name]) => name)).toEqual([...KINDS, 'total']);
  });

  it('leaves out the line that a killed agent did not finish', () => {
    const path = put('j', `${JSON.stringify(line('start', 1))}\n{"at":2,"ag`);
    expect(readJournal(path)).toEqual([line('start', 1)]);
  });

  it('knows an agent that is in the middle of something', () => {
    const other = { pid: 2, task: 't2', token: '2' };
    const atWork = (...lines: readonly JournalLine[]): boolean =>
      isAtWork(put('j', lines.map((one) => `${JSON.stringify(one)}\n`).join('')), 1);
    expect(atWork()).toBe(false);
    expect(atWork(line('start', 1))).toBe(true);
    expect(atWork(line('start', 1), line('end', 2))).toBe(false);
    expect(atWork(line('start', 1), line('start', 2, { token: '2' }), line('end', 3))).toBe(true);
    expect(atWork(line('start', 1, other)), 'what the process before it began').toBe(false);
    const since = Array.from({ length: 16 }, (_, i) => line('end', 2 + i, other));
    expect(atWork(line('start', 1), ...since), 'too long ago to be told').toBe(false);
    expect(isAtWork(put('j', `${JSON.stringify(line('start', 1))}\n{"at":2,"ag`), 1)).toBe(true);
  });
});
