/** `muster serve`: runs a server until it is told to stop. */
import { resolve } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import type { Command } from 'commander';
import type { Context } from '../context.ts';
import { dataFolder } from '../discovery.ts';
import { growSeldom } from '../heap-growth.ts';
import type { RunningServer } from '../../main.ts';
import { wholeNumber } from '../values.ts';

interface Flags {
  readonly host?: string;
  readonly port?: number;
  readonly httpPort?: number;
  readonly redis?: string;
  readonly jobsRedis?: string;
  readonly allowUnsafeRedis?: boolean;
  readonly shared?: boolean;
  readonly rebalance?: boolean;
  readonly transport?: string;
  readonly config?: string;
  readonly logLevel?: string;
  readonly jwtKeys?: string;
  readonly backups?: string;
  readonly jwtIssuer?: string;
  readonly jwtAudience?: string;
  readonly origin?: readonly string[];
  readonly allowHost?: readonly string[];
  readonly trustProxy?: readonly string[];
  readonly limit?: readonly string[];
}

export function addServe(program: Command, context: Context): void {
  program
    .command('serve')
    .description('run a server; on its first start it creates the tenant "default" and an administrator\'s key')
    .option('--host <host>', 'address to listen on (default 127.0.0.1)')
    .option('--port <port>', 'port of the WebSockets; 0 takes a free one (default 7420)', wholeNumber)
    .option('--http-port <port>', 'port of health, readiness and metrics (default 7421)', wholeNumber)
    .option('--backups <folder>', 'where backups are kept (default: backups in the data directory)')
    .option('--redis <url>', 'keep the log in Redis instead of the data directory (docs/redis.md)')
    .option('--jobs-redis <url>', 'keep the background jobs in this Redis (default: that of --redis)')
    .option('--allow-unsafe-redis', 'serve although the settings of Redis may lose what it acknowledged')
    .option('--shared', 'other servers may serve the same tenants from this Redis (docs/redis.md)')
    .option('--rebalance', 'move work that was sent and not confirmed to agents with less to do (docs/assignment.md)')
    .option('--transport <name>', 'auto, ws or uws, which must be installed (default auto: ws)')
    .option('--config <file>', 'JSON file with any of these options')
    .option('--log-level <level>', 'debug, info, warn, error or silent (default info)')
    .option('--jwt-keys <file or url>', 'take tokens (JWT) that a key of this key set (JWKS) signed')
    .option('--jwt-issuer <iss>', 'only tokens of this issuer')
    .option('--jwt-audience <aud>', 'only tokens for this audience')
    .option('--origin <origin...>', 'web pages that may connect')
    .option('--allow-host <name...>', 'names of this server; requests for another one are refused (default: any)')
    .option('--trust-proxy <address...>', 'proxies, or networks of them, whose X-Forwarded-For is believed')
    .option('--limit <name=number...>', 'bounds of connections and rates, by name (docs/limits.md); 0: none')
    .action((flags: Flags) => context.run(() => runServer(flags, context)));
}

async function runServer(flags: Flags, context: Context): Promise<void> {
  // Before there is code that would learn otherwise: V8 finds that much of what one place allocates is kept (the tasks
  // of a start, of a burst), and from then on puts all of it where only a marking of the whole heap frees it.
  setFlagsFromString('--no-allocation-site-pretenuring');
  growSeldom();
  // Here and not above: every other command starts three times faster without the server.
  const { serve } = await import('../../main.ts');
  const { parseLimits } = await import('../../config.ts');
  const { origin: origins, allowHost: hosts, trustProxy: proxies, limit, ...rest } = flags;
  const limits = limit === undefined ? undefined : parseLimits(limit);
  const server = await serve({ ...rest, data: context.server.data, origins, hosts, proxies, limits });
  announce(server, context);
  await context.untilStopped();
  context.output.note('stopping; once more to stop at once');
  await server.stop();
}

function announce(server: RunningServer, { output }: Context): void {
  const data = server.data === resolve(dataFolder({}, process.env)) ? undefined : server.data;
  const { url, httpUrl, keyFile, firstKey } = server;
  const refused = [...server.refused].map(([tenant, error]) => ({ tenant, reason: error.message }));
  output.result(
    {
      event: 'serving',
      url,
      httpUrl,
      keyFile,
      ...(firstKey === undefined ? {} : { firstKey }),
      ...(refused.length === 0 ? {} : { notServed: refused }),
      pid: process.pid,
    },
    () => {
      const lines = [`Muster serves at ${url}`, `Health and metrics at ${httpUrl}`];
      for (const { tenant, reason } of refused) lines.push(`NOT SERVED: the tenant ${tenant}: ${reason}`);
      if (firstKey === undefined) lines.push(`The administrator's key is in ${keyFile}`);
      else lines.push('', `The administrator's key, shown this once and kept in ${keyFile}:`, '', `    ${firstKey}`);
      lines.push('', 'Next, in another terminal here:', '', ...nextSteps(data).map((line) => `    ${line}`), '');
      return lines.join('\n');
    },
  );
}

/** As they find this server; `data`: its directory, if it is not the one where they look. */
export function nextSteps(data: string | undefined): readonly string[] {
  const where = data === undefined ? '' : ` --data ${shellWord(data)}`;
  return [
    `npx muster agent${where} --name echo --capability echo -- cat`,
    `npx muster task create${where} --type echo --params '{"hello": "world"}' --wait`,
  ];
}

function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
