/** Where keys of tokens come from: what stays in use, when the source is asked again, and what is not taken. */
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { KeyFeed } from '../../src/access/index.ts';
import { FakeScheduler } from '../support/fake-scheduler.ts';

const setOf = (...kids: string[]): string =>
  JSON.stringify({
    keys: kids.map((kid) => ({ ...generateKeyPairSync('ed25519').publicKey.export({ format: 'jwk' }), kid })),
  });

let scheduler: FakeScheduler;
let folder: string;
let told: string[];
let feed: KeyFeed | undefined;
let server: Server | undefined;
/** Resolves with the next thing that is told. */
let next: () => Promise<string>;

beforeEach(() => {
  scheduler = new FakeScheduler();
  folder = mkdtempSync(join(tmpdir(), 'muster-keys-'));
  told = [];
});

afterEach(async () => {
  feed?.stop();
  feed = undefined;
  rmSync(folder, { recursive: true, force: true });
  await new Promise<void>((done) => (server === undefined ? done() : server.close(() => done())));
  server = undefined;
});

async function feedFrom(from: string): Promise<KeyFeed> {
  let waiting: ((text: string) => void) | undefined;
  const tell = (text: string): void => {
    told.push(text);
    waiting?.(text);
  };
  next = () => new Promise((resolve) => (waiting = resolve));
  feed = new KeyFeed({ from, scheduler, onKeys: (count) => tell(`${count} keys`), onFault: tell });
  await feed.start();
  return feed;
}

async function serveBy(listener: RequestListener): Promise<string> {
  const made = createServer(listener);
  server = made;
  await new Promise<void>((resolve) => made.listen(0, '127.0.0.1', resolve));
  const address = made.address();
  return `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}/keys`;
}

const kids = (of: KeyFeed): unknown => of.keys?.map(({ kid }) => kid);

test('a file is read at the start and every five minutes', async () => {
  const file = join(folder, 'keys.json');
  writeFileSync(file, setOf('a'));
  const keys = await feedFrom(file);
  expect(kids(keys)).toEqual(['a']);
  writeFileSync(file, setOf('b', 'c'));
  scheduler.advance(299_999);
  const said = next();
  scheduler.advance(1);
  expect(await said).toBe('2 keys');
  expect(kids(keys)).toEqual(['b', 'c']);
});

test('what is faulty changes nothing, and is told once', async () => {
  const file = join(folder, 'keys.json');
  writeFileSync(file, setOf('a'));
  const keys = await feedFrom(file);
  writeFileSync(file, '{');
  const said = next();
  scheduler.advance(300_000);
  expect(await said).toBe('The key set is no JSON.');
  expect(kids(keys)).toEqual(['a']);
  await keys.start();
  expect(told).toEqual(['1 keys', 'The key set is no JSON.']);
});

test('asked to, it looks again, but not more often than every ten seconds', async () => {
  let asked = 0;
  const url = await serveBy((_request, response) => {
    asked += 1;
    response.end(setOf(`k${asked}`));
  });
  const keys = await feedFrom(url);
  scheduler.advance(10_000);
  expect(keys.refresh('k2')).toBe(true);
  expect(keys.refresh('other')).toBe(true);
  await keys.start();
  expect(kids(keys)).toEqual(['k2']);
  expect(asked).toBe(2);
  scheduler.advance(9_999);
  expect(keys.refresh('k3')).toBe(true);
  expect(keys.refresh('k3')).toBe(true);
  expect(asked).toBe(2);
  const again = next();
  scheduler.advance(1);
  await again;
  expect(kids(keys)).toEqual(['k3']);
  expect(asked).toBe(3);
});

/** Of a file that has the keys, and can be taken away. */
async function feedOfFile(): Promise<{ keys: KeyFeed; write: (...kids: string[]) => void; away: () => void }> {
  const file = join(folder, 'keys.json');
  const write = (...names: string[]): void => writeFileSync(file, setOf(...names));
  write('a');
  const keys = await feedFrom(file);
  return { keys, write, away: () => rmSync(file) };
}

/** Goes on to the look that was asked for, and resolves when it is over. */
function looked(keys: KeyFeed): Promise<void> {
  scheduler.advance(10_000);
  return keys.start();
}

test('a key that is not in the set is wrong when a look that began after it was asked for has not found it', async () => {
  const { keys } = await feedOfFile();
  expect(keys.refresh('new')).toBe(true);
  expect(keys.refresh('new')).toBe(true);
  await looked(keys);
  expect(keys.refresh('new')).toBe(false);
  expect(keys.refresh('another')).toBe(true);
  // It may have come since.
  scheduler.advance(10_000);
  expect(keys.refresh('new')).toBe(true);
});

test('a key that is not in the set is not wrong while it cannot be looked for', async () => {
  const { keys, write, away } = await feedOfFile();
  away();
  for (let i = 0; i < 3; i += 1) {
    expect(keys.refresh('new')).toBe(true);
    await looked(keys);
    scheduler.advance(1_000);
    expect(keys.refresh('new')).toBe(true);
  }
  write('b');
  await looked(keys);
  expect(keys.refresh('new')).toBe(false);
});

test('of the keys that were asked for the newest 256 are remembered; who asks for another one comes again', async () => {
  const { keys } = await feedOfFile();
  for (let i = 0; i <= 256; i += 1) keys.refresh(`k${i}`);
  await looked(keys);
  expect([keys.refresh('k1'), keys.refresh('k256'), keys.refresh('k0')]).toEqual([false, false, true]);
});

test('a provider that is away is asked again later', async () => {
  let up = false;
  const url = await serveBy((_request, response) => {
    response.statusCode = up ? 200 : 503;
    response.end(setOf('a'));
  });
  const keys = await feedFrom(url);
  expect(keys.keys).toBeUndefined();
  expect(told).toEqual(['The key set is answered with 503.']);
  up = true;
  const said = next();
  scheduler.advance(300_000);
  await said;
  expect(kids(keys)).toEqual(['a']);
});

test('from a URL come neither secrets, nor redirections, nor more than 256 KiB', async () => {
  const answers: RequestListener[] = [
    (_request, response) => response.end(JSON.stringify({ keys: [{ kty: 'oct', k: 'A'.repeat(64), kid: 's' }] })),
    (_request, response) => response.writeHead(302, { location: '/elsewhere' }).end(),
    (_request, response) => response.end(`"${'x'.repeat(300_000)}"`),
  ];
  let at = 0;
  const url = await serveBy((request, response) => answers[at]?.(request, response));
  const keys = await feedFrom(url);
  for (at = 1; at < answers.length; at += 1) await keys.start();
  expect(keys.keys).toBeUndefined();
  expect(told).toHaveLength(3);
  expect(told[0]).toMatch(/from a file only/);
  expect(told[2]).toMatch(/larger than/);
});

test('a URL without TLS is taken on this machine only', () => {
  const make = (from: string): KeyFeed =>
    new KeyFeed({ from, scheduler, onKeys: () => undefined, onFault: () => undefined });
  expect(() => make('http://id.example/keys')).toThrow(/must be https/);
  for (const from of ['https://id.example/keys', 'http://localhost/keys', 'http://[::1]/keys']) make(from).stop();
});

test('when it is stopped nothing is looked for or taken any more', async () => {
  const file = join(folder, 'keys.json');
  writeFileSync(file, setOf('a'));
  const keys = await feedFrom(file);
  const under = keys.start();
  keys.stop();
  await under;
  expect(keys.refresh('b')).toBe(false);
  expect(scheduler.timers).toBe(0);
  expect(told).toEqual(['1 keys']);
});
