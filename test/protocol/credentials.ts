/** Makes what transcripts take for granted on a server of which only the first administrator's key is known. */
import type { Json } from './vectors/json-form.ts';
import { call, connect, expect, hello, send, welcome } from './vectors/steps.ts';
import { fill } from './pattern.ts';
import { play, type Peer } from './transcript.ts';

/** Credentials of a fresh tenant `tenant`, and of another one beside it. */
export async function makeCredentials(
  peer: Peer,
  adminKey: string,
  tenant: string,
): Promise<{ readonly [placeholder: string]: string }> {
  const opened = (on: string, token: string) => [
    connect(on),
    send(on, hello(token)),
    expect(on, welcome({ resumed: false })),
  ];
  const bound = await play(
    {
      name: 'credentials',
      rules: [],
      steps: [
        ...opened('o', adminKey),
        ...call('o', [1, 'tenant.create', { id: tenant }], { tenant: { id: tenant }, key: '$admin' }),
        ...call('o', [2, 'tenant.create', { id: `${tenant}-other` }], {
          tenant: { id: `${tenant}-other` },
          key: '$foreign',
        }),
        ...opened('a', '$admin'),
        ...call('a', [1, 'apiKey.create', { role: 'admin' }], { key: '$admin2' }),
        ...call('a', [2, 'apiKey.create', { role: 'agent', agent: 'resizer' }], { key: '$agent' }),
        ...call('a', [3, 'apiKey.create', { role: 'viewer' }], { key: '$viewer' }),
      ],
    },
    peer,
  );
  const names = ['$admin', '$admin2', '$agent', '$viewer', '$foreign'];
  return Object.fromEntries(names.map((name) => [name, textOf(fill(name, bound))]));
}

function textOf(json: Json): string {
  if (typeof json !== 'string') throw new Error('a credential is a text');
  return json;
}
