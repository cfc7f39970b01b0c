/**
 * HTML that a browser may show, of documents that anybody wrote. HTML is read as browsers read it (parse5, by the WHATWG's rules), everything that is not on a list of
 * elements, attributes and protocols is left out, and the rest is written anew: nothing of the source goes through as text. Markdown becomes HTML first.
 *
 * H1 No script, no style, no form, no frame, no event handler, no protocol but http, https, mailto and those of the default list; ids and names get
 *    a prefix, so that they hide nothing of the page.
 * H2 What is too large or nested too deeply is refused.
 */
import { fromHtml } from 'hast-util-from-html';
import { defaultSchema, sanitize, type Schema } from 'hast-util-sanitize';
import { toHtml } from 'hast-util-to-html';
import MarkdownIt from 'markdown-it';

export type Shown =
  | { readonly kind: 'html'; readonly html: string }
  | { readonly kind: 'refused'; readonly reason: 'TOO_LARGE' | 'TOO_COMPLEX' };

/** What a person reads at once; more is not shown. */
export const SHOWN_UNITS_MAX = 1_024 * 1_024;

/** GitHub's list, without the boxes of task lists: CommonMark has none, so they would only be forms. */
const LIST: Schema = {
  ...defaultSchema,
  tagNames: (defaultSchema.tagNames ?? []).filter((name) => name !== 'input'),
  // With what is in them: it is no text.
  strip: [...(defaultSchema.strip ?? []), 'style'],
};

/** `plain`: as it is, in a `pre`. */
export type ShownForm = 'markdown' | 'html' | 'plain';

/** A newline after the tag would be taken for none, so there is one more. */
function plain(text: string): Parameters<typeof toHtml>[0] {
  const value = `\n${text}`;
  return { type: 'element', tagName: 'pre', properties: {}, children: [{ type: 'text', value }] };
}

export class HtmlWriter {
  /** Raw HTML in Markdown is let through here and meets the same list as all other. */
  readonly #markdown = new MarkdownIt('commonmark', { html: true });

  write(text: string, form: ShownForm): Shown {
    if (text.length > SHOWN_UNITS_MAX) return { kind: 'refused', reason: 'TOO_LARGE' };
    try {
      const source = form === 'markdown' ? this.#markdown.render(text) : text;
      const tree = form === 'plain' ? plain(text) : sanitize(fromHtml(source, { fragment: true }), LIST);
      return { kind: 'html', html: toHtml(tree, { closeSelfClosing: false, allowDangerousHtml: false }) };
    } catch (error) {
      // Trees are walked by recursion: the stack is the bound of their depth.
      if (error instanceof RangeError) return { kind: 'refused', reason: 'TOO_COMPLEX' };
      throw error;
    }
  }
}
