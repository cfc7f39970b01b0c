/**
 * The files below docs/deploy, the Dockerfile, and the papers of operation name only what there is: flags, variables, ports,
 * paths and metrics are held against a server that runs, settings of Redis against the gate and a Redis. What no engine
 * of containers could be asked here is read as text.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { validate } from 'dockerfile-utils';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { judge } from '../../src/log/redis/gate.ts';
import { Place } from '../cli/processes.ts';
import { RedisServer, type Settings } from '../support/redis-server.ts';
import { containersOf, documentsOf, looseEnds, type File } from './deploy/containers.ts';
import { alarmFaults, balancerFaults, imageOf, paperFaults, redisSettings, serverFaults } from './deploy/faults.ts';
import { readProgram, ROOT, type Program } from './deploy/program.ts';

const read = (path: string): string => readFileSync(`${ROOT}${path}`, 'utf8');
const DEPLOY = readdirSync(`${ROOT}docs/deploy`, { recursive: true, encoding: 'utf8' })
  .map((name) => `docs/deploy/${name.replaceAll('\\', '/')}`)
  .sort();
const files = (names: RegExp): readonly File[] =>
  DEPLOY.filter((path) => names.test(path)).map((path) => ({ path, text: read(path) }));
const DOCKERFILE = read('Dockerfile');
const IMAGE = imageOf(DOCKERFILE);
const SERVERS = files(/(?:compose|kubernetes\/[\w-]+)\/[\w-]+\.yaml$/);
const BALANCER = read('docs/deploy/compose/haproxy.cfg');
const ALARMS: File = { path: 'alerts.yaml', text: read('docs/deploy/prometheus/alerts.yaml') };
const REDIS = files(/redis\.conf$/);
const PAPERS: readonly File[] = [
  ...files(/(?<!alerts)\.(?:yaml|cfg|md)$/),
  ...['observing', 'limits', 'redis', 'backup', 'operations', 'scaling']
    .map((name) => `docs/${name}.md`)
    .map((path) => ({ path, text: read(path) })),
];

let redis: RedisServer;
let place: Place;
let program: Program;

/** With Redis, so that everything is there which the server can print. */
beforeAll(async () => {
  redis = await RedisServer.start(redisSettings(REDIS[0]?.text ?? ''));
  vi.stubEnv('MUSTER_REDIS', redis.url);
  place = new Place();
  const { httpUrl } = await place.serve();
  program = await readProgram(place, String(httpUrl));
}, 180_000);

afterAll(async () => {
  await place.close();
  vi.unstubAllEnvs();
  await redis.remove();
});

/** Changes a text at one place, which must be there. */
function planted(text: string, from: string, to: string): string {
  expect(text.split(from).length, `${from} in the file`).toBeGreaterThan(1);
  return text.replace(from, to);
}

describe('the image', () => {
  it('has nothing that a linter finds', () => {
    expect(validate(DOCKERFILE).map(({ message }) => message)).toEqual([]);
    expect(validate(planted(DOCKERFILE, 'WORKDIR', 'WORKDIRECTORY'))).not.toEqual([]);
  });

  it('is built in one stage and runs in another, as a user that is not root', () => {
    const stages = DOCKERFILE.split(/^FROM /m).slice(1);
    expect(stages).toHaveLength(2);
    expect(stages[1]).toMatch(/^USER [1-9]\d*:[1-9]\d*$/m);
    expect(stages[1]).not.toMatch(/apt-get|npm /);
    for (const [, from = ''] of (stages[1] ?? '').matchAll(/^COPY --from=build \/muster\/(\S+)/gm)) {
      expect(['package.json', 'node_modules', 'dist']).toContain(from);
    }
    expect(stages[1]).toContain(`VOLUME ${IMAGE.variables['MUSTER_DATA'] ?? '?'}\n`);
    expect(stages[1]).toContain(
      `EXPOSE ${IMAGE.variables['MUSTER_PORT'] ?? '?'} ${IMAGE.variables['MUSTER_HTTP_PORT'] ?? '?'}\n`,
    );
  });

  it('is asked for its health where the server answers', () => {
    const [, port, path = ''] = /HEALTHCHECK[^]*?127\.0\.0\.1:(\d+)(\/\w+)/.exec(DOCKERFILE) ?? [];
    expect(port).toBe(IMAGE.variables['MUSTER_HTTP_PORT']);
    expect(program.routes).toContain(path);
  });

  it('copies what is there, and nothing that .dockerignore keeps away', () => {
    const copied = [...DOCKERFILE.matchAll(/^COPY (?!--)(.+) \S+$/gm)].flatMap(([, names = '']) => names.split(' '));
    expect(copied.length).toBeGreaterThan(5);
    const ignored = read('.dockerignore').trim().split('\n');
    for (const name of copied) {
      expect(existsSync(`${ROOT}${name}`), name).toBe(true);
      expect(ignored).not.toContain(name);
    }
  });
});

describe('servers that compose files and manifests start', () => {
  it.each(SERVERS)('$path names only what there is', (file) => {
    expect(documentsOf(file).length).toBeGreaterThan(0);
    expect(serverFaults(file, program, IMAGE)).toEqual([]);
  });

  it('are several, and have probes', () => {
    const servers = SERVERS.flatMap((file) => containersOf(file)).filter(({ image }) => /^muster\b/.test(image));
    expect(servers.length).toBeGreaterThanOrEqual(6);
    expect(servers.flatMap(({ routes }) => routes).length).toBeGreaterThanOrEqual(8);
  });

  it.each(['one-node', 'nodes'])('the labels and ports of kubernetes/%s lead somewhere', (name) => {
    const manifests = files(new RegExp(`kubernetes/${name}/(?!kustom).*yaml$`));
    expect(looseEnds(manifests)).toEqual([]);
    const wrong = manifests.map(({ path, text }) => ({
      path,
      text: text.replace('selector: { app: muster }', 'selector: { app: mustard }'),
    }));
    expect(looseEnds(wrong)).toContain('Service muster selects no pod.');
  });

  it.each([
    ['kubernetes/nodes/muster', 'name: MUSTER_REDIS', 'name: MUSTER_REDDIS', 'does not read MUSTER_REDDIS'],
    ['kubernetes/nodes/muster', 'args: [serve]', 'args: [serve, --share]', 'serve takes no --share'],
    ['kubernetes/nodes/muster', '/readyz', '/ready', 'There is no /ready'],
    ['kubernetes/nodes/muster', 'port: http', 'port: agents', '/healthz is not answered on port 7420'],
    ['kubernetes/nodes/muster', 'containerPort: 7421', 'containerPort: 7422', 'Nothing listens on port 7422'],
    ['kubernetes/nodes/muster', 'PeriodSeconds: 60', 'PeriodSeconds: 20', 'It is killed after 15000 ms'],
    ['kubernetes/one-node/muster', 'mountPath: /data', 'mountPath: /date', '/data is no volume'],
    ['compose/one-node', "'7420:7420'", "'7420:7419'", 'Nothing listens on port 7419'],
    ['compose/one-node', 'stop_grace_period: 30s', '', 'It is killed after 10000 ms'],
    ['compose/nodes', 'MUSTER_PROXIES', 'MUSTER_PROXY', 'does not read MUSTER_PROXY'],
  ])('%s with %s as %s is found', (name, from, to, report) => {
    const file = SERVERS.find(({ path }) => path.endsWith(`${name}.yaml`));
    const text = planted(file?.text ?? '', from, to);
    expect(serverFaults({ path: name, text }, program, IMAGE).join('\n')).toContain(report);
  });
});

describe('the load balancer', () => {
  it('leads to the servers, and asks them where they answer', () => {
    expect(balancerFaults(BALANCER, program, IMAGE)).toEqual([]);
    const servers = containersOf(files(/compose\/nodes\.yaml$/)[0] ?? { path: '', text: '' });
    const names = servers.filter(({ image }) => image.startsWith('muster:')).map(({ where }) => where.split(' ')[1]);
    expect([...BALANCER.matchAll(/^ *server (\S+) (\S+):/gm)].map(([, name, host]) => [name, host])).toEqual(
      names.map((name) => [name, name]),
    );
    expect(names).toHaveLength(3);
  });

  it.each([
    ['uri /readyz', 'uri /ready', 'There is no /ready'],
    ['path /v1', 'path /ws', 'WebSockets are not let through'],
    ['muster-1:7420', 'muster-1:7421', 'Nothing listens on port 7421'],
    ['check port 7421', 'check port 7420', 'The port that is checked is another one'],
    ['timeout tunnel 1h', '', 'A WebSocket that is quiet is cut'],
  ])('%s as %s is found', (from, to, report) => {
    expect(balancerFaults(planted(BALANCER, from, to), program, IMAGE).join('\n')).toContain(report);
  });
});

describe('the Redis', () => {
  const judged = (settings: Settings) =>
    judge({ settings: new Map(Object.entries(settings)), info: new Map([['redis_version', '7.2.0']]) }).unsafe;

  it('passes the gate with each file, and with what it says of itself', async () => {
    expect(REDIS).toHaveLength(2);
    for (const { text } of REDIS) expect(judged(redisSettings(text))).toEqual([]);
    const said = await redis.client().config('GET', '*');
    expect(Array.isArray(said)).toBe(true);
    const pairs = Array.isArray(said) ? said.map(String) : [];
    const settings = new Map(pairs.flatMap((name, at) => (at % 2 === 0 ? [[name, pairs[at + 1] ?? '']] : [])));
    for (const [name, value] of Object.entries(redisSettings(REDIS[0]?.text ?? ''))) {
      if (name !== 'maxmemory') expect(settings.get(name), name).toBe(value);
    }
  });

  it.each([
    ['appendfsync always', 'appendfsync everysec', 'Set appendfsync to always'],
    ['maxmemory-policy noeviction', 'maxmemory-policy allkeys-lru', 'Set maxmemory-policy'],
  ])('%s as %s is found', (from, to, report) => {
    const text = planted(REDIS[0]?.text ?? '', from, to);
    expect(judged(redisSettings(text)).join('\n')).toContain(report);
  });
});

describe('papers and alarms', () => {
  it.each(PAPERS)('$path names only what there is', ({ text }) => {
    expect(paperFaults(text, program)).toEqual([]);
  });

  it.each([
    ['`muster backup --keeps 7`', 'muster backup takes no --keeps'],
    ['set MUSTER_SHERD', 'does not read MUSTER_SHERD'],
    ['`muster_log_heads`', 'no metric muster_log_heads'],
    ['ask `/livez`', 'There is no /livez'],
    ['`npm run sizes`', 'There is no npm run sizes'],
  ])('%s in a paper is found', (text, report) => {
    expect(paperFaults(text, program).join('\n')).toContain(report);
  });

  it('alarms ask for what is printed', () => {
    expect(alarmFaults(ALARMS, program)).toEqual([]);
  });

  it.each([
    ['muster_tenants_halted', 'muster_tenants_stopped', 'no metric muster_tenants_stopped'],
    ['outcome="error"', 'result="error"', 'has no label result'],
    ["summary: 'A server does not answer.'", "text: 'x'", 'MusterDown does not say'],
  ])('an alarm with %s as %s is found', (from, to, report) => {
    const text = planted(ALARMS.text, from, to);
    expect(alarmFaults({ path: 'alerts.yaml', text }, program).join('\n')).toContain(report);
  });
});
