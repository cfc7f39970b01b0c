/** What files and papers of a deployment name, held against what the program has. */
import { ConfigError, resolveConfig, type Config } from '../../../src/config.ts';
import { containersOf, documentsOf, type Container, type File } from './containers.ts';
import type { Part } from './part.ts';
import type { Program } from './program.ts';

export interface Image {
  readonly variables: { readonly [name: string]: string };
  /** What it does if nothing else is said. */
  readonly command: readonly string[];
}

export function imageOf(dockerfile: string): Image {
  const [, block = ''] = /^ENV ((?:.*\\\n)*.*)$/m.exec(dockerfile) ?? [];
  const pairs = [...block.matchAll(/(\w+)=(\S+)/g)].map(([, name = '', value = '']) => [name, value]);
  const [, words = ''] = /^CMD \[(.*)\]$/m.exec(dockerfile) ?? [];
  return { variables: Object.fromEntries(pairs), command: words.split(', ').map((word) => word.replaceAll('"', '')) };
}

/** Of the servers that a file of YAML starts. */
export function serverFaults(file: File, program: Program, image: Image): string[] {
  const servers = containersOf(file).filter(({ image: name }) => /^muster(?::|$)/.test(name));
  return servers.flatMap((server) => {
    const { where, variables, graceMs } = server;
    const command = server.command.length === 0 ? image.command : server.command;
    const faults = [
      ...commandFaults(['muster', ...command].join(' '), program),
      ...[...variables.keys()]
        .filter((name) => !program.variables.has(name))
        .map((name) => `The program does not read ${name}.`),
      ...(graceMs >= program.stopMs ? [] : [`It is killed after ${graceMs} ms; a stop may take ${program.stopMs} ms.`]),
    ];
    const values = [...variables].map(([name, value]) => [name, inPlace(value)]);
    const said = settled({ ...image.variables, ...Object.fromEntries(values) });
    const more = typeof said === 'string' ? [said] : configFaults(server, { config: said, program });
    return [...faults, ...more].map((fault) => `${where}: ${fault}`);
  });
}

/** The options that a server would have; why it would not start. */
function settled(variables: { readonly [name: string]: string }): Config | string {
  try {
    return resolveConfig({}, variables);
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
}

/** Of a value that is set elsewhere: something of the kind that belongs there. */
function inPlace(value: string | undefined): string {
  return value === undefined ? 'redis://:secret@redis:6379/0' : value.replaceAll(/\$\{\w+:\?[^}]*\}/g, 'secret');
}

function configFaults(server: Container, has: { readonly config: Config; readonly program: Program }): string[] {
  const { config, program } = has;
  const faults: string[] = [];
  if (config.host !== '0.0.0.0') faults.push(`It listens on ${config.host}, which nobody reaches from outside.`);
  if (!server.mounts.includes(config.data)) faults.push(`${config.data} is no volume: its data is gone with it.`);
  for (const port of server.ports) {
    if (port !== config.port && port !== config.httpPort) faults.push(`Nothing listens on port ${port}.`);
  }
  for (const { path, port } of server.routes) {
    if (port !== config.httpPort) faults.push(`${path} is not answered on port ${port}.`);
    if (!program.routes.has(path)) faults.push(`There is no ${path}.`);
  }
  return faults;
}

/** `name value` on each line that is no comment. */
export function redisSettings(text: string): { readonly [name: string]: string } {
  const lines = text.split('\n').filter((line) => /^[a-z]/.test(line));
  return Object.fromEntries(
    lines.map((line) => {
      const [name = '', ...value] = line.split(' ');
      return [name, value.join(' ').replaceAll('"', '')];
    }),
  );
}

/** Of the load balancer. */
export function balancerFaults(text: string, program: Program, image: Image): string[] {
  const config = resolveConfig({}, image.variables);
  const one = (pattern: RegExp): string => pattern.exec(text)?.[1] ?? '';
  const faults: string[] = [];
  const checked = one(/http-check send meth GET uri (\S+)/);
  if (!program.routes.has(checked)) faults.push(`There is no ${checked}.`);
  if (one(/unless \{ path (\S+) \}/) !== program.webSocket) faults.push(`WebSockets are not let through.`);
  if (one(/check port (\d+)/) !== String(config.httpPort)) faults.push(`The port that is checked is another one.`);
  for (const [, port = ''] of text.matchAll(/^ *server \S+ \S+:(\d+)/gm)) {
    if (port !== String(config.port)) faults.push(`Nothing listens on port ${port}.`);
  }
  if (!/^ *timeout tunnel [1-9]\d*[hm]$/m.test(text)) faults.push('A WebSocket that is quiet is cut.');
  return faults;
}

/** Names in a paper, or in a file: commands with flags, variables, metrics, paths, scripts. */
export function paperFaults(text: string, program: Program): string[] {
  const faults: string[] = [];
  for (const [line] of text.matchAll(/(?<=`|npx |exec CONTAINER )muster [a-z]+[^`|\n]*/g)) {
    faults.push(...commandFaults(line, program));
  }
  for (const [name] of text.matchAll(/\bMUSTER_[A-Z_]+\b/g)) {
    if (!program.variables.has(name)) faults.push(`The program does not read ${name}.`);
  }
  for (const [name] of text.matchAll(
    /\b(?:muster|service_oper|service_err|service_rate|service_quota|nodejs|process)[a-z]*_[a-z0-9_]+\b/g,
  )) {
    if (!known(name, program)) faults.push(`The server has no metric ${name}.`);
  }
  for (const [path] of text.matchAll(/(?<=[` ])\/(?:[a-z]+z|metrics|v\d)\b(?!\/)/g)) {
    if (!program.routes.has(path) && path !== program.webSocket) faults.push(`There is no ${path}.`);
  }
  for (const [, name = ''] of text.matchAll(/\bnpm run (?:--silent )?([a-z:-]+)/g)) {
    if (!program.scripts.has(name)) faults.push(`There is no npm run ${name}.`);
  }
  return faults;
}

/** A histogram is also named as such. */
function known(name: string, { metrics }: Program): boolean {
  return metrics.has(name) || metrics.has(`${name}_bucket`);
}

/** `muster backup --keep 7`: a command that there is, and flags that it takes, for those whose flags are looked at. */
function commandFaults(line: string, { commands, flags }: Program): string[] {
  const [, command = ''] = line.split(' ');
  if (!commands.has(command)) return [`There is no muster ${command}.`];
  const taken = flags.get(command);
  return [...line.matchAll(/(?<= )--[a-z-]+/g)]
    .filter(([flag]) => taken?.has(flag) === false)
    .map(([flag]) => `muster ${command} takes no ${flag}.`);
}

/** Alarms: each expression names metrics and labels that are printed. */
export function alarmFaults(file: File, { metrics }: Program): string[] {
  const rules = documentsOf(file).flatMap((document) =>
    document.get('groups').list.flatMap((group) => group.get('rules').list),
  );
  if (rules.length === 0) return ['There is no rule.'];
  return rules.flatMap((rule) => ruleFaults(rule, metrics));
}

function ruleFaults(rule: Part, metrics: Program['metrics']): string[] {
  const [name, expression] = [rule.get('alert').text, rule.get('expr').text];
  const faults: string[] = [];
  let named = 0;
  for (const [, metric = '', matchers = ''] of expression.matchAll(/\b([a-z]+_[a-z0-9_]+|up)\b(?:\{([^}]*)\})?/g)) {
    if (metric === 'histogram_quantile') continue;
    // Of Prometheus itself.
    const labels = metric === 'up' ? new Set(['job']) : metrics.get(metric);
    named += 1;
    if (labels === undefined) faults.push(`${name}: the server has no metric ${metric}.`);
    for (const [, label = ''] of matchers.matchAll(/([a-z_]+)[=!]~?/g)) {
      if (labels !== undefined && !labels.has(label)) faults.push(`${name}: ${metric} has no label ${label}.`);
    }
  }
  if (named === 0) faults.push(`${name} asks for no metric.`);
  if (rule.get('annotations', 'summary').text === '') faults.push(`${name} does not say what it means.`);
  return faults;
}
