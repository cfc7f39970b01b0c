/**
 * Reads TypeScript source text just well enough for the tidy rules: which parts are code, which modules it
 * imports, where its functions are. It is a scanner, not a parser: it knows comments, strings, templates and
 * regular expressions, and that is what lets the rules look at words without being fooled by prose.
 */

/** What a rule finds wrong; `cure` says what to do instead. */
export interface Problem {
  readonly rule: string;
  readonly path: string;
  readonly line: number;
  readonly cure: string;
}

export interface Import {
  readonly specifier: string;
  readonly line: number;
  /** Erased by the compiler. */
  readonly typeOnly: boolean;
}

export interface Block {
  readonly header: string;
  readonly line: number;
  /** Lines with code in them. */
  readonly lines: number;
}

export interface Source {
  readonly path: string;
  readonly text: string;
  /** The text with comments, string contents and regular expressions blanked; as long, same lines. */
  readonly code: string;
}

const KEYWORDS_BEFORE_REGEX =
  /(?:^|[^\w$.])(?:return|typeof|case|in|of|do|else|void|delete|throw|new|instanceof|yield|await)$/;

/** A slash begins a regular expression where a value may stand. */
function regexMayBegin(before: string): boolean {
  const trimmed = before.trimEnd();
  if (trimmed === '') return true;
  if (/[\w$)\]"'`]$/.test(trimmed)) return KEYWORDS_BEFORE_REGEX.test(trimmed.slice(-16));
  return !trimmed.endsWith('}');
}

function endOfString(text: string, start: number): number {
  const quote = text[start];
  let at = start + 1;
  while (at < text.length && text[at] !== quote && text[at] !== '\n') at += text[at] === '\\' ? 2 : 1;
  return at + 1;
}

function endOfRegex(text: string, start: number): number {
  let inClass = false;
  let at = start + 1;
  while (at < text.length && text[at] !== '\n' && (inClass || text[at] !== '/')) {
    if (text[at] === '[') inClass = true;
    if (text[at] === ']') inClass = false;
    at += text[at] === '\\' ? 2 : 1;
  }
  at += 1;
  while (/[a-z]/.test(text[at] ?? '')) at += 1;
  return at;
}

const blank = (text: string): string => text.replace(/[^\n]/g, ' ');
/** Keeps the quotes, so that a string still looks like a value. */
const blankInside = (text: string): string =>
  text.length < 2 ? blank(text) : `${text[0]}${blank(text.slice(1, -1))}${text[text.length - 1]}`;

export function parse(path: string, text: string): Source {
  let code = '';
  let at = 0;
  /** Depth of braces at which each open template goes on. */
  const templates: number[] = [];
  let depth = 0;

  const template = (start: number): void => {
    let end = start + 1;
    while (end < text.length && text[end] !== '`' && !text.startsWith('${', end)) end += text[end] === '\\' ? 2 : 1;
    code += `${text[start]}${blank(text.slice(start + 1, end))}`;
    if (text[end] === '`') {
      code += '`';
      at = end + 1;
      return;
    }
    code += '${';
    templates.push(depth);
    at = end + 2;
  };

  while (at < text.length) {
    const two = text.slice(at, at + 2);
    const char = text[at] ?? '';
    if (two === '//' || two === '#!') {
      const end = text.indexOf('\n', at);
      const stop = end < 0 ? text.length : end;
      code += blank(text.slice(at, stop));
      at = stop;
    } else if (two === '/*') {
      const end = text.indexOf('*/', at + 2);
      const stop = end < 0 ? text.length : end + 2;
      code += blank(text.slice(at, stop));
      at = stop;
    } else if (char === '"' || char === "'") {
      const end = Math.min(endOfString(text, at), text.length);
      code += blankInside(text.slice(at, end));
      at = end;
    } else if (char === '`') {
      template(at);
    } else if (char === '/' && regexMayBegin(code)) {
      const end = endOfRegex(text, at);
      code += blankInside(text.slice(at, end));
      at = end;
    } else if (char === '}' && templates.at(-1) === depth) {
      templates.pop();
      template(at);
    } else {
      if (char === '{') depth += 1;
      if (char === '}') depth -= 1;
      code += char;
      at += 1;
    }
  }
  return { path, text, code };
}

export function lineAt(source: Source, index: number): number {
  let line = 1;
  for (let at = source.text.indexOf('\n'); at >= 0 && at < index; at = source.text.indexOf('\n', at + 1)) line += 1;
  return line;
}

/** The string literal whose opening quote stands at `index` of the code. */
function literalAt(source: Source, index: number): string {
  const end = source.code.indexOf(source.code[index] ?? '', index + 1);
  return source.text.slice(index + 1, end);
}

/** Modules that the file loads, by whatever form. */
export function importsOf(source: Source): Import[] {
  const found: Import[] = [];
  const forms: readonly (readonly [RegExp, boolean])[] = [
    [/\b(?:import|export)\s+(type\b)?(?:[\w*\s{},$]+?\bfrom\b)?\s*(?=["'])/g, false],
    [/\b(?:import|require)\s*\(\s*(?=["'`])/g, false],
    [/\bworkerUrl\s*\(\s*import\.meta\.url\s*,\s*(?=["'])/g, false],
    [/\bnew\s+(?:Worker|SharedWorker)\s*\(\s*(?:new\s+URL\s*\(\s*)?(?=["'])/g, false],
  ];
  for (const [form] of forms) {
    for (const match of source.code.matchAll(form)) {
      const quote = match.index + match[0].length;
      // `export const x = '…'` and the like have no `from`, and are no import.
      if (match[0].startsWith('export') && !/\bfrom\b/.test(match[0])) continue;
      found.push({
        specifier: literalAt(source, quote),
        line: lineAt(source, match.index),
        typeOnly: match[1] === 'type',
      });
    }
  }
  return found.sort((a, b) => a.line - b.line);
}

const NOT_A_FUNCTION =
  /^(?:\}\s*)?(?:else\s+)?(?:if|for|while|switch|catch|class|interface|namespace|module|with|type)\b|^(?:export\s+)?(?:default\s+)?(?:abstract\s+)?(?:class|interface|type)\b/;

function isFunctionHeader(header: string): boolean {
  if (header.endsWith('=>') || /\bfunction\b/.test(header)) return true;
  if (NOT_A_FUNCTION.test(header) || /=$|[:([,]$|\breturn$/.test(header)) return false;
  return /^(?:[\w$#]+\s+)*[#\w$[\].]+\s*(?:<[^(]*>)?\([^]*\)(?:\s*:[^]*)?$/.test(header);
}

/** Bodies of functions, methods and arrow functions. */
export function functionsOf(source: Source): Block[] {
  const found: Block[] = [];
  const open: { readonly at: number; readonly header: string; readonly parens: number }[] = [];
  let headerStart = 0;
  let parens = 0;
  for (let at = 0; at < source.code.length; at += 1) {
    const char = source.code[at];
    if (char === '(') parens += 1;
    if (char === ')') parens -= 1;
    if (char === '{') {
      open.push({ at, header: source.code.slice(headerStart, at).trim(), parens });
      headerStart = at + 1;
      parens = 0;
    }
    if (char === '}') {
      const block = open.pop();
      headerStart = at + 1;
      parens = block?.parens ?? 0;
      if (block === undefined || !isFunctionHeader(block.header)) continue;
      const lines = source.code.slice(block.at, at + 1).split('\n');
      found.push({
        header: block.header.replace(/\s+/g, ' ').slice(0, 60),
        line: lineAt(source, block.at),
        lines: lines.filter((line) => line.trim() !== '').length,
      });
    }
    if (char === ';' && parens === 0) headerStart = at + 1;
  }
  return found;
}

/** Statements at the top level of the module; what stands in blocks and parentheses becomes underscores. */
export function topLevel(source: Source): string {
  let depth = 0;
  let out = '';
  for (const char of source.code) {
    if (char === '}' || char === ')') depth -= 1;
    out += depth === 0 || /\s/.test(char) ? char : '_';
    if (char === '{' || char === '(') depth += 1;
  }
  return out;
}
