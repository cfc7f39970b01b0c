/** Credentials for fuzzers. */
import { must } from '../../src/base/assert.ts';
import { connect, type Client } from '../../src/client/node.ts';
import { AGENT, type Keys } from './fuzz-roles.ts';

const TENANT = 'fuzz';

/** A tenant for the fuzzers, made once, and credentials of every role in it. */
export async function makeKeys(operator: Client, url: string): Promise<Keys> {
  const { tenants } = await operator.tenant.list({});
  if (!tenants.some(({ id }) => id === TENANT)) await operator.tenant.create({ id: TENANT });
  const admin = shown(await operator.apiKey.create({ role: 'admin', tenant: TENANT }));
  const spy = shown(await operator.apiKey.create({ role: 'viewer' }));
  const maker = await connect({ url, key: admin, name: 'fuzz-keys' });
  const member = shown(await maker.apiKey.create({ role: 'member' }));
  const viewer = shown(await maker.apiKey.create({ role: 'viewer' }));
  const agent = shown(await maker.apiKey.create({ role: 'agent', agent: AGENT }));
  await maker.close();
  return { admin, member, agent, viewer, spy };
}

function shown({ key }: { readonly key?: string }): string {
  return must(key, 'a new key is shown');
}
