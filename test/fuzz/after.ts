/** What must be true of a server after all that was done to it. */
import { connect, type Client } from '../../src/client/node.ts';
import { examine } from '../../src/doctor/index.ts';
import type { Keys } from './fuzz-roles.ts';
import type { Served } from './served.ts';
import type { AfterFigures } from './verdict.ts';

const SERVED_MS = 20_000;

export async function lookAfter(of: {
  readonly served: Served;
  readonly operator: Client;
  readonly keys: Keys;
  readonly data: string;
}): Promise<AfterFigures> {
  const { served, operator, keys, data } = of;
  if (served.crashed !== undefined) return { served: false, findings: [], exitCode: null };
  const { url, key } = served.muster;
  const tenants = [key, keys.admin];
  const good: boolean[] = [];
  const findings: string[] = [];
  for (const one of tenants) {
    good.push(await isServed(url, one));
    findings.push(...(await checkTenant(url, one)));
  }
  await operator.close();
  const exitCode = await served.stop();
  findings.push(...(await checkDirectory(data)));
  return { served: good.every(Boolean), findings, exitCode };
}

/** A new agent does a new task. Rules that fuzzers made could forbid it: they go first. */
async function isServed(url: string, key: string): Promise<boolean> {
  const name = 'fuzz-after';
  const agent = { name, capabilities: [name] };
  const client = await connect({ url, key, agent, handlers: { [name]: ({ parameters }) => parameters } });
  const { rules } = await client.rule.list({});
  for (const rule of rules) await client.rule.remove({ name: rule.name });
  const { task } = await client.task.create({ type: name, requirements: [name], parameters: 'still here' });
  const ended = await client.task.wait(task, { timeoutMs: SERVED_MS }).catch(() => undefined);
  await client.close();
  return ended?.status === 'completed' && ended.result === 'still here';
}

/** What the doctor says of a tenant that is served. */
export async function checkTenant(url: string, key: string): Promise<string[]> {
  const client = await connect({ url, key, name: 'fuzz-doctor' });
  const { findings, count } = await client.tenant.check({ limit: 20 });
  await client.close();
  return [
    ...findings.map(({ severity, code, message }) => `${severity} ${code}: ${message}`),
    ...(count > findings.length ? [`${count - findings.length} more`] : []),
  ];
}

/** What the doctor says of the data of a stopped server. */
export async function checkDirectory(data: string): Promise<string[]> {
  const { findings } = await examine({ data, repair: false });
  return findings.map(({ severity, code, message }) => `${severity} ${code}: ${message}`);
}
