/** Sizes, names, heads of files, and state that no constructor owns. */
import { functionsOf, lineAt, topLevel, type Problem, type Source } from './source.ts';

export const FILE_LINES = 600;
export const TEST_FILE_LINES = 1_000;
export const FUNCTION_LINES = 70;
/** Casts per thousand lines of src and protocol. */
export const CASTS_PER_THOUSAND = 2;
/** How many there are today; may only fall, and leaves when they are within the limit. */
const CASTS_TODAY = 130;
/** So many below, the number of today is lowered. */
const CASTS_SLACK = 15;

/**
 * What is over a limit today, with its size now: `path` for a file, `path function-header` for a function. An entry
 * may only shrink, and leaves when its subject fits; a new one needs a reason in the commit that adds it.
 */
export const RATCHET: { readonly [subject: string]: number } = {};

const inProduct = (source: Source) => /^(?:src|protocol)\//.test(source.path);

/** Holds `lines` against the limit and the ratchet. */
function judge(subject: string, lines: number, limit: number, ratchet: typeof RATCHET): string | undefined {
  const allowed = ratchet[subject];
  if (lines <= limit) return allowed === undefined ? undefined : `fits now: take "${subject}" out of the ratchet list.`;
  if (allowed === undefined) return `has ${lines} lines, the limit is ${limit}: split it by what changes together.`;
  if (lines > allowed) return `has grown from ${allowed} to ${lines} lines; it may only shrink.`;
  return lines < allowed ? `has shrunk: lower its entry in the ratchet list from ${allowed} to ${lines}.` : undefined;
}

export function checkSizes(sources: readonly Source[], ratchet = RATCHET): Problem[] {
  const problems: Problem[] = [];
  const seen = new Set<string>();
  const hold = (subject: string, at: { path: string; line: number }, size: { lines: number; limit: number }) => {
    seen.add(subject);
    const cure = judge(subject, size.lines, size.limit, ratchet);
    if (cure !== undefined) problems.push({ rule: 'sizes', ...at, cure: `${subject} ${cure}` });
  };
  for (const source of sources) {
    const lines = source.text.split('\n').length - 1;
    const limit = source.path.startsWith('test/') ? TEST_FILE_LINES : FILE_LINES;
    hold(source.path, { path: source.path, line: 1 }, { lines, limit });
    if (!inProduct(source)) continue;
    for (const block of functionsOf(source)) {
      const at = { path: source.path, line: block.line };
      hold(`${source.path} ${block.header}`, at, { lines: block.lines, limit: FUNCTION_LINES });
    }
  }
  for (const subject of Object.keys(ratchet)) {
    if (seen.has(subject)) continue;
    problems.push({ rule: 'sizes', path: subject, line: 1, cure: 'is gone: take it out of the ratchet list.' });
  }
  return problems;
}

const NAME = /^(?:[a-z0-9]+(?:-[a-z0-9]+)*)(?:\.(?:strace|test|config))*\.(?:ts|js)$/;

export function checkNames(sources: readonly Source[]): Problem[] {
  return sources
    .filter((source) => !NAME.test(source.path.slice(source.path.lastIndexOf('/') + 1)))
    .map((source) => ({ rule: 'names', path: source.path, line: 1, cure: 'Name files in kebab-case, one noun each.' }));
}

/** A module says what it owns before it says anything else. */
export function checkHeads(sources: readonly Source[]): Problem[] {
  return sources
    .filter((source) => inProduct(source) && !/^(?:#!.*\n)?\s*\/\*\*/.test(source.text))
    .map((source) => ({
      rule: 'heads',
      path: source.path,
      line: 1,
      cure: 'Begin with a doc comment: what the module owns, what it does not, its numbered invariants.',
    }));
}

const STATE: readonly (readonly [RegExp, string])[] = [
  [/^\s*(?:export\s+)?(?:let|var)\s+[\w$]+/gm, 'is state of the module'],
  [
    /^\s*(?:export\s+)?const\s+[\w$]+(?:\s*:(?!\s*Readonly)[^=]+?)?\s*=\s*new\s+(?:Map|Set|WeakMap|WeakSet|Array|Uint8Array|Float64Array|BigUint64Array|DataView)\b/gm,
    'can change: annotate it ReadonlyMap or ReadonlySet, or let an object own it',
  ],
  [
    /^\s*(?:export\s+)?const\s+[\w$]+(?:\s*:(?!\s*readonly)[^=;]+?)?\s*=\s*\[\s*\]\s*;/gm,
    'is empty, so it is there to be filled',
  ],
  [/^\s*(?:export\s+)?const\s+[\w$]+\s*=\s*\{\s*\}\s*;/gm, 'is empty, so it is there to be filled'],
];

/** Memory that a call borrows and leaves as it found it: no call sees what another one did. */
const SCRATCH: readonly string[] = [
  'protocol/wire/codec.ts encoder',
  'protocol/wire/codec.ts decoder',
  'protocol/wire/codec.ts reader',
  'protocol/wire/json-read.ts reader',
  'protocol/wire/json-write.ts decoder',
  'protocol/wire/scan.ts scanner',
];
const INSTANCE =
  /^\s*(?:export\s+)?const\s+([\w$]+)[^=;]*=\s*new\s+(?!RegExp\b|URL\b|TextEncoder\b|TextDecoder\b)[A-Z]\w*/gm;

function instances(source: Source, top: string): Problem[] {
  const known = /\bnew\s+(?:Map|Set|WeakMap|WeakSet|Array|Uint8Array|Float64Array|BigUint64Array|DataView)\b/;
  return [...top.matchAll(INSTANCE)]
    .filter((match) => !known.test(match[0]) && !SCRATCH.includes(`${source.path} ${match[1] ?? ''}`))
    .map((match) => ({
      rule: 'module state',
      path: source.path,
      line: lineAt(source, match.index + match[0].search(/\S/) + 1),
      cure: `${match[0].trim()} lives as long as the module: construct it in main.ts and hand it on.`,
    }));
}

/** Nothing lives outside what main.ts constructs. */
export function checkState(sources: readonly Source[]): Problem[] {
  const problems: Problem[] = [];
  for (const source of sources.filter(inProduct)) {
    const top = topLevel(source);
    problems.push(...instances(source, top));
    for (const [form, what] of STATE) {
      for (const match of top.matchAll(form)) {
        // No bytes at all: nothing there can change.
        if (/^\(0?\)/.test(source.code.slice(match.index + match[0].length))) continue;
        const line = lineAt(source, match.index + match[0].search(/\S/) + 1);
        const cure = `${match[0].trim().replace(/\s+/g, ' ').slice(0, 60)} ${what}: construct it in main.ts and hand it on.`;
        problems.push({ rule: 'module state', path: source.path, line, cure });
      }
    }
  }
  return problems;
}

/** Casts by file, and the lines that they stand among. */
export function castsOf(sources: readonly Source[]): {
  readonly files: ReadonlyMap<string, number>;
  readonly lines: number;
} {
  const files = new Map<string, number>();
  let lines = 0;
  for (const source of sources.filter(inProduct)) {
    lines += source.text.split('\n').length - 1;
    const body = source.code
      .replace(/^\s*(?:import|export)\b[^;]*?\bfrom\b[^;]*;/gm, '')
      .replace(/\bexport\s*(?:type\s*)?\{[^}]*\}/g, '');
    const casts = [...body.matchAll(/[\w)\]}'"`]\s+as\s+(?!const\b)/g)].length;
    if (casts > 0) files.set(source.path, casts);
  }
  return { files, lines };
}

export function checkCasts(sources: readonly Source[], today = CASTS_TODAY): Problem[] {
  const { files, lines } = castsOf(sources);
  const casts = [...files.values()].reduce((sum, count) => sum + count, 0);
  const limit = Math.max(1, Math.floor((lines * CASTS_PER_THOUSAND) / 1_000));
  const report = (cure: string): Problem[] => [{ rule: 'casts', path: 'src', line: 1, cure }];
  if (casts <= limit || casts <= today) {
    return casts > limit && casts < today - CASTS_SLACK ? report(`${casts} casts: lower the number of today.`) : [];
  }
  const worst = [...files].sort(([, a], [, b]) => b - a).slice(0, 12);
  const where = worst.map(([path, count]) => `${path} ${count}`).join(', ');
  return report(
    `${casts} casts in ${lines} lines, ${Math.max(limit, today)} are the most: decode at the edge, narrow by a guard, use must(). ${where}`,
  );
}
