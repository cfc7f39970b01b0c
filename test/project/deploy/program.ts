/** What the program has that papers and files of a deployment may name, read off the program itself. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { LIMITS } from '../../../protocol/wire/limits.ts';
import { WS_PATH } from '../../../src/transport/upgrade.ts';
import type { Place } from '../../cli/processes.ts';
import { until } from '../../support/until.ts';

export const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

export interface Program {
  readonly commands: ReadonlySet<string>;
  /** Of some commands. */
  readonly flags: ReadonlyMap<string, ReadonlySet<string>>;
  /** Of the environment. */
  readonly variables: ReadonlySet<string>;
  /** Paths of the HTTP port that are answered by 200. */
  readonly routes: ReadonlySet<string>;
  readonly webSocket: string;
  /** Names as Prometheus has them, with the labels that were seen. */
  readonly metrics: ReadonlyMap<string, ReadonlySet<string>>;
  readonly scripts: ReadonlySet<string>;
  /** Clients leave, are closed, and are cut off; with some time to finish what was taken. */
  readonly stopMs: number;
}

const COMMANDS = [
  'serve',
  'backup',
  'restore',
  'doctor',
  'key create',
  'tenant create',
  'agents',
  'backlog',
  'explain',
];
/** Of Node and of OpenTelemetry, which have their own papers. */
const OTHERS = ['NODE_ENV', 'NODE_OPTIONS', 'OTEL_EXPORTER_OTLP_ENDPOINT'];

/** Asks a server that runs in `place`, and says `httpUrl`. */
export async function readProgram(place: Place, httpUrl: string): Promise<Program> {
  const [help = '', ...helps] = await Promise.all(
    [[], ...COMMANDS.map((command) => [command])].map(async (words) => (await place.run(...words, '--help')).out),
  );
  const commands = new Set([...help.matchAll(/^ {2}([a-z-]+)(?= )/gm)].map(([, name = '']) => name));
  const flags = new Map(
    COMMANDS.map((command, at) => [command, new Set([...flagsIn(help), ...flagsIn(helps[at] ?? '')])] as const),
  );
  const routes = new Set<string>();
  for (const route of ['/healthz', '/readyz', '/metrics']) {
    const answer = await fetch(`${httpUrl}${route}`);
    // Read to its end, so that the connection is free to be closed.
    await answer.text();
    if (answer.status === 200) routes.add(route);
  }
  const scripts = new Set(Object.keys(JSON.parse(readFileSync(`${ROOT}package.json`, 'utf8')).scripts));
  const stopMs = LIMITS.drainMs + 10_000 + 5_000;
  return {
    commands,
    flags,
    variables: variables(),
    routes,
    webSocket: WS_PATH,
    metrics: metricsIn(await printed(httpUrl)),
    scripts,
    stopMs,
  };
}

/** Once the first background job has run, so that all labels are there. */
async function printed(httpUrl: string): Promise<string> {
  let text = '';
  let asking = false;
  const ask = async (): Promise<void> => {
    asking = true;
    text = await (await fetch(`${httpUrl}/metrics`)).text();
    asking = false;
  };
  await until(
    () => {
      if (!asking && !text.includes('muster_job_runs_total{')) void ask();
      return text.includes('muster_job_runs_total{');
    },
    'a background job',
    30_000,
  );
  return text;
}

function flagsIn(help: string): readonly string[] {
  return [...help.matchAll(/^ +(?:-\w, )?(--[a-z-]+)/gm)].map(([, flag = '']) => flag);
}

function variables(): ReadonlySet<string> {
  const sources = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.ts'),
  );
  const read = sources.flatMap((name) => [
    ...readFileSync(join(ROOT, 'src', name), 'utf8').matchAll(/\benv\['(MUSTER_[A-Z_]+)'\]/g),
  ]);
  return new Set([...OTHERS, ...read.map(([, name = '']) => name)]);
}

/** Histograms have three names each. */
function metricsIn(text: string): ReadonlyMap<string, ReadonlySet<string>> {
  const metrics = new Map<string, Set<string>>();
  for (const [, name = '', type] of text.matchAll(/^# TYPE (\S+) (\S+)$/gm)) {
    const parts = type === 'histogram' ? ['_bucket', '_count', '_sum'] : [''];
    for (const part of parts) metrics.set(`${name}${part}`, new Set());
  }
  for (const [, name = '', labels = ''] of text.matchAll(/^([a-z0-9_]+)\{(.*)\} \S+$/gm)) {
    for (const [, label = ''] of labels.matchAll(/([a-z_]+)="/g)) metrics.get(name)?.add(label);
  }
  return metrics;
}
