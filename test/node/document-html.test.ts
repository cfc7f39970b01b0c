/** What `document.html` shows of documents that anybody wrote, and to whom. */
import { beforeEach, expect, it } from 'vitest';
import type { Value } from '../../protocol/wire/types.ts';
import { LIMITS } from '../../protocol/wire/limits.ts';
import { NodeRig, type Client } from '../support/node-rig.ts';

let rig: NodeRig;
let ann: Client;
let bob: Client;

beforeEach(() => {
  rig = new NodeRig().start();
  [ann, bob] = ['ann', 'bob'].map((name) => rig.client({ id: `key:${name}`, tenant: 'default', role: 'member' })) as [
    Client,
    Client,
  ];
});

function create(params: { readonly [key: string]: Value }): string {
  const made = rig.result(ann, 'document.create', { name: 'page', ...params });
  return (made['document'] as { readonly id: string }).id;
}

function code(client: Client, id: string): string {
  const reply = rig.ask(client, 'document.html', { params: { id } });
  return reply.ok ? 'ok' : reply.rejection.code;
}

const html = (id: string): Value | undefined => rig.result(bob, 'document.html', { id })['html'];

it.each([
  ['markdown', 'a <script>alert(1)</script> b', '<p>a  b</p>\n'],
  ['markdown', '[x](javascript:alert(1)) <b onclick="y()">z</b>', '<p>[x](javascript:alert(1)) <b>z</b></p>\n'],
  ['markdown', '<a href="javascript:alert(1)">x</a>', '<p><a>x</a></p>\n'],
  ['html', '<p onload=x>a<iframe src="https://example.org"></iframe><style>p{}</style></p>', '<p>a</p>'],
  ['html', '<img src=x onerror=alert(1)><svg><script>1</script></svg>', '<img src="x">'],
  ['html', '<form action="https://example.org"><input name=a></form>', ''],
  ['html', '# not Markdown', '# not Markdown'],
  ['text', '<script>alert(1)</script> & more\n', '<pre>\n&#x3C;script>alert(1)&#x3C;/script> &#x26; more\n</pre>'],
  ['text', '\n# not Markdown', '<pre>\n\n# not Markdown</pre>'],
  ['text', '</pre><b>x</b>', '<pre>\n&#x3C;/pre>&#x3C;b>x&#x3C;/b></pre>'],
])('%s: %j', (type, content, shown) => {
  expect(html(create({ type, content }))).toBe(shown);
});

it('shows nobody what may not be read', () => {
  const id = create({ content: 'secret' });
  const space = rig.result(ann, 'workspace.create', { name: 'team' })['workspace'] as { readonly id: string };
  const inside = create({ content: 'secret', workspaceId: space.id });
  expect([code(bob, id), code(ann, inside)]).toEqual(['ok', 'ok']);
  expect(code(bob, inside)).toBe('NOT_FOUND');
  expect(code(bob, 'doc_9')).toBe('NOT_FOUND');
});

it('refuses what has no room in a message, and elements that are too deep in each other', () => {
  const bound = LIMITS.documentInlineBytes;
  const frame = '<pre>\n</pre>'.length;
  const fits = create({ type: 'text', content: 'x'.repeat(bound - frame) });
  expect(code(bob, fits)).toBe('ok');
  expect(code(bob, create({ type: 'text', name: 'one more', content: 'x'.repeat(bound - frame + 1) }))).toBe(
    'TOO_LARGE',
  );
  expect(code(bob, create({ type: 'html', name: 'deep', content: '<div>'.repeat(50_000) }))).toBe('TOO_LARGE');
});
