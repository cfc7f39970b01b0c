/** What a browser is given of documents that anybody wrote. */
import { fromHtml } from 'hast-util-from-html';
import { describe, expect, it } from 'vitest';
import { HtmlWriter, SHOWN_UNITS_MAX } from '../../src/documents/html.ts';

const writer = new HtmlWriter();

function html(text: string, form: 'html' | 'markdown' = 'html'): string {
  const shown = writer.write(text, form);
  if (shown.kind === 'refused') throw new Error(shown.reason);
  return shown.html;
}

type Tree = ReturnType<typeof fromHtml>;

/** Elements with their attributes, as a browser reads them in what was written. */
function tags(text: string): string[] {
  const found: string[] = [];
  const walk = (node: Tree | Tree['children'][number]): void => {
    if (node.type === 'comment' || node.type === 'doctype') found.push('<!');
    if (node.type === 'element') {
      const attributes = Object.entries(node.properties).map(([name, value]) => ` ${name}=${String(value)}`);
      found.push(`<${node.tagName}${attributes.filter((one) => !one.startsWith(' title=')).join('')}>`);
    }
    if ('children' in node) for (const child of node.children) walk(child);
  };
  walk(fromHtml(text, { fragment: true }));
  return found;
}

const DANGER =
  /<(?:script|style|iframe|object|embed|form|svg|math|base|meta|link|textarea|title|noscript|xmp|template|button|input)\b|\son\w+\s*=|javascript:|vbscript:|data:|srcdoc|<!/i;

const ATTACKS: { readonly [kind: string]: readonly string[] } = {
  scripts: [
    '<script>alert(1)</script>',
    '<SCRIPT SRC=//x></SCRIPT>',
    '<scr<script>ipt>alert(1)</script>',
    '<script/x>alert(1)',
  ],
  handlers: [
    '<img src=x onerror=alert(1)>',
    '<p onclick="alert(1)">x</p>',
    '<body onload=alert(1)>',
    '<details open ontoggle=alert(1)>',
    '<a/onmouseover=alert(1)>x',
  ],
  protocols: [
    '<a href="javascript:alert(1)">x</a>',
    '<a href="JaVaScRiPt:alert(1)">x</a>',
    '<a href="java&#10;script:alert(1)">x</a>',
    '<a href="&#106;avascript:alert(1)">x</a>',
    '<a href=" javascript:alert(1)">x</a>',
    '<a href="\u0001javascript:alert(1)">x</a>',
    '<a href="vbscript:x">x</a>',
    '<a href="data:text/html,<script>alert(1)</script>">x</a>',
    '<img src="data:image/svg+xml,<svg onload=alert(1)>">',
  ],
  frames: [
    '<iframe srcdoc="<script>alert(1)</script>"></iframe>',
    '<object data=x></object>',
    '<embed src=x>',
    '<base href=//x>',
    '<meta http-equiv=refresh content="0;url=//x">',
    '<link rel=stylesheet href=//x>',
  ],
  styles: ['<style>*{background:url(//x)}</style>', '<p style="background:url(javascript:alert(1))">x</p>'],
  forms: [
    '<form action=//x><input name=a></form>',
    '<button formaction=javascript:alert(1)>x</button>',
    '<textarea></textarea>',
  ],
  'other namespaces': [
    '<svg><script>alert(1)</script></svg>',
    '<svg><a xlink:href="javascript:alert(1)"><text>x</text></a></svg>',
    '<math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>',
    '<svg></p><style><a id="</style><img src=1 onerror=alert(1)>">',
  ],
  'raw text': [
    '<noscript><p title="</noscript><img src=x onerror=alert(1)>">',
    '<xmp><img src=x onerror=alert(1)></xmp>',
    '<textarea><img src=x onerror=alert(1)></textarea>',
    '<title><img src=x onerror=alert(1)></title>',
    '<plaintext><img src=x onerror=alert(1)>',
    '<template><img src=x onerror=alert(1)></template>',
  ],
  'comments and declarations': [
    '<!--><img src=x onerror=alert(1)>-->',
    '<!-- --!><img src=x onerror=alert(1)>',
    '<![CDATA[<img src=x onerror=alert(1)>]]>',
    '<?xml x?><img src=x onerror=alert(1)>',
  ],
  nesting: [
    '<a href="//x"><a href="javascript:alert(1)">',
    '<table><a href=javascript:alert(1)>x</table>',
    '<p><b><p><img src=x onerror=alert(1)></b>',
  ],
};

describe.each(Object.entries(ATTACKS))('%s do not come through', (_, attacks) => {
  it.each(attacks)('%s', (attack) => {
    for (const form of ['html', 'markdown'] as const) {
      const written = html(attack, form);
      expect(tags(written).filter((tag) => DANGER.test(tag))).toEqual([]);
      // Written once more it is the same: a browser reads in it what was written.
      expect(html(written)).toBe(written);
    }
  });
});

describe('links in Markdown', () => {
  it.each([
    '[x](javascript:alert(1))',
    '[x](JAVASCRIPT:alert(1))',
    '[x](<java\tscript:alert(1)>)',
    '[x](&#106;avascript:alert(1))',
    '<javascript:alert(1)>',
    '![x](javascript:alert(1))',
    '[x][a]\n\n[a]: javascript:alert(1)',
    '[x](data:text/html;base64,PHNjcmlwdD4=)',
  ])('%s', (text) => {
    expect(tags(html(text, 'markdown')).filter((tag) => DANGER.test(tag))).toEqual([]);
  });
});

it('ids and names hide nothing of the page', () => {
  const written = html('<p id="location">x</p><a name="body">y</a><p id=__proto__>z</p>');
  const names = [...written.matchAll(/(?:id|name)="([^"]*)"/g)].map(([, name]) => name);
  expect(names).toEqual(['user-content-location', 'user-content-body', 'user-content-__proto__']);
});

it('what is harmless is shown', () => {
  expect(html('# A *b*\n\n1 < 2 & `c`\n\n- [x](https://example.org "t")\n\n<b>d</b> <kbd>e</kbd>\n', 'markdown')).toBe(
    '<h1>A <em>b</em></h1>\n<p>1 &#x3C; 2 &#x26; <code>c</code></p>\n<ul>\n<li><a href="https://example.org" title="t">x</a></li>\n</ul>\n<p><b>d</b> <kbd>e</kbd></p>\n',
  );
});

it('what is too large or nested too deeply is refused', () => {
  expect(writer.write('x'.repeat(SHOWN_UNITS_MAX + 1), 'html')).toEqual({ kind: 'refused', reason: 'TOO_LARGE' });
  expect(writer.write('<div>'.repeat(100_000), 'html')).toEqual({ kind: 'refused', reason: 'TOO_COMPLEX' });
});
