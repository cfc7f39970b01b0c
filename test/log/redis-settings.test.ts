/** URLs of Redis, rules of its settings, what its errors mean: tables. */
import { describe, expect, test } from 'vitest';
import { optionsFor, parseRedisUrl, shown } from '../../src/log/redis/address.ts';
import { judge } from '../../src/log/redis/gate.ts';
import { movedTo, refusalOf } from '../../src/log/redis/refusal.ts';

describe('a URL', () => {
  test.each([
    ['redis://h', { host: 'h', port: 6379 }],
    ['redis://h:1/2', { host: 'h', port: 1, db: 2 }],
    ['redis://[::1]:7', { host: '::1', port: 7 }],
    ['redis://secret@h', { host: 'h', port: 6379, password: 'secret' }],
    ['redis://:p%40ss@h', { host: 'h', port: 6379, password: 'p@ss' }],
    ['redis://me:p%2Fq@h', { host: 'h', port: 6379, username: 'me', password: 'p/q' }],
    ['rediss://h?servername=x', { host: 'h', port: 6379, tls: { servername: 'x' } }],
    [
      'redis-sentinel://s@h1,h2:5/main/3?sentinel-password=t',
      {
        sentinels: [
          { host: 'h1', port: 26_379 },
          { host: 'h2', port: 5 },
        ],
        name: 'main',
        role: 'master',
        password: 's',
        db: 3,
        sentinelPassword: 't',
      },
    ],
    ['redis-cluster://h1:1,h2', { host: 'h1', port: 1 }],
  ])('%s is understood', (url, options) => {
    const address = parseRedisUrl(url);
    expect(optionsFor(address, address.hosts[0]!)).toEqual(options);
  });

  test.each([
    ['http://h', 'redis://'],
    ['redis://a,b', 'sentinel'],
    ['redis-sentinel://h', 'name of the primary'],
    ['redis-cluster://h/1', 'database 0'],
    ['redis://h/x', 'number'],
    ['redis://h:port', 'name:port'],
    ['redis://h?colour=red', 'colour'],
    ['rediss://h?ca=/no/such/file', '/no/such/file'],
    ['redis://%zz@h', '%'],
  ])('%s is refused, and says why', (url, why) => {
    expect(() => parseRedisUrl(url)).toThrow(why);
  });

  test('is shown without its password', () => {
    expect(shown(parseRedisUrl('redis://me:secret@h:1'))).toBe('h:1');
    expect(shown(parseRedisUrl('redis-sentinel://secret@h:1/main'))).toBe('h:1 (main)');
  });
});

const SAFE = {
  appendonly: 'yes',
  appendfsync: 'always',
  'no-appendfsync-on-rewrite': 'no',
  'maxmemory-policy': 'noeviction',
  'min-replicas-to-write': '0',
  'min-replicas-max-lag': '10',
};
const INFO = { redis_version: '7.0.15', role: 'master', loading: '0', used_memory: '1', maxmemory: '0' };

describe('settings', () => {
  test.each<[string, { settings?: object; info?: object }, RegExp[]]>([
    ['all is right', {}, []],
    ['Valkey', { info: { redis_version: '7.2.4', valkey_version: '8.0.1' } }, []],
    ['the newest Redis', { info: { redis_version: '8.2.0' } }, []],
    ['the oldest', { info: { redis_version: '6.2.0' } }, []],
    ['too old', { info: { redis_version: '6.0.16' } }, [/6\.2 or newer/]],
    ['no file', { settings: { appendonly: 'no' } }, [/Set appendonly to yes/]],
    ['not said', { settings: { appendfsync: undefined } }, [/does not say what appendfsync is/]],
    [
      'replicas',
      { info: { connected_slaves: '1' } },
      [/Set min-replicas-to-write to 1 or more/, /Set min-replicas-max-lag to 2 or less/],
    ],
    [
      'replicas, as it must be',
      { info: { connected_slaves: '2' }, settings: { 'min-replicas-to-write': '1', 'min-replicas-max-lag': '2' } },
      [],
    ],
  ])('%s', (_, { settings, info }, faults) => {
    const found = judge({
      settings: new Map(Object.entries({ ...SAFE, ...settings })),
      info: new Map(Object.entries({ ...INFO, ...info })),
    });
    expect(found.unsafe).toEqual(faults.map((fault) => expect.stringMatching(fault)));
    expect(found.unusable).toBeUndefined();
  });

  test('a full memory is a warning, a replica and a server that loads cannot be used', () => {
    const of = (info: object) =>
      judge({ settings: new Map(Object.entries(SAFE)), info: new Map(Object.entries({ ...INFO, ...info })) });
    expect(of({ used_memory: '71', maxmemory: '100' }).warnings).toEqual([expect.stringContaining('71 %')]);
    expect(of({ used_memory: '69', maxmemory: '100' }).warnings).toEqual([]);
    expect(of({ role: 'slave' }).unusable).toMatch(/replica/);
    expect(of({ loading: '1' }).unusable).toMatch(/loading/);
  });
});

test.each([
  ["OOM command not allowed when used memory > 'maxmemory'. script: ab, on @user_script:23.", 'full'],
  ['ERR Error running script (call to f_ab): @user_script:23: @user_script: 23: -OOM command not allowed', 'full'],
  ['NOSCRIPT No matching script. Please use EVAL.', 'unknown script'],
  ["READONLY You can't write against a read only replica.", 'elsewhere'],
  ['NOREPLICAS Not enough good replicas to write.', 'not now'],
  ['MOVED 3999 127.0.0.1:6381', 'elsewhere'],
  ['ERR something new', 'unknown'],
  ['', 'unknown'],
])('the error %j is understood', (message, meaning) => {
  expect(refusalOf(message)).toBe(meaning);
});

test('a cluster says where a slot is', () => {
  expect(movedTo('MOVED 3999 ::1:6381')).toEqual({ host: '::1', port: 6381 });
  expect(movedTo('ASK 1 h:2')).toEqual({ host: 'h', port: 2 });
  expect(movedTo('ERR no')).toBeUndefined();
});
