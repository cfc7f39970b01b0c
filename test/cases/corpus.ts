/**
 * Generated cases of three-way merges: a base, and what two people made of it, of kinds that occur. The same seed gives the same case.
 */
import { Random } from '../simulation/random.ts';

export interface MergeCase {
  readonly name: string;
  readonly base: string;
  readonly ours: string;
  readonly theirs: string;
}

type Edit = (lines: string[], random: Random, word: (random: Random) => string) => void;
/** Lines of a text, and how new ones are made. */
interface Source {
  readonly lines: (random: Random) => string[];
  readonly line: (random: Random) => string;
}

const WORDS = 'the agent holds a lock while its task runs and tells the server what it did before the lease ends'.split(
  ' ',
);
const NAMES = ['task', 'lock', 'queue', 'agent', 'lease', 'token', 'entry', 'state'];
const FEW = ['', '}', '  }', 'return;', 'a', 'b'];

const pick = <T>(random: Random, items: readonly T[]): T => random.pick(items);
const repeat = (random: Random, { min, max }: { min: number; max: number }, make: (random: Random) => string) =>
  Array.from({ length: random.between(min, max) }, () => make(random));

const sentence = (random: Random): string =>
  random.chance(0.2) ? '' : repeat(random, { min: 3, max: 9 }, (it) => pick(it, WORDS)).join(' ');

const statement = (random: Random): string => {
  const name = pick(random, NAMES);
  const depth = '  '.repeat(random.between(0, 2));
  const forms = [
    '',
    `${depth}}`,
    `${depth}{`,
    `${depth}const ${name} = ${pick(random, NAMES)}(${random.between(0, 9)});`,
    `${depth}if (${name}) {`,
    `${depth}return ${name};`,
    `${depth}// ${pick(random, WORDS)}`,
  ];
  return pick(random, forms);
};

const listed = (line: (random: Random) => string, range: { min: number; max: number }): Source => ({
  lines: (random) => repeat(random, range, line),
  line,
});

const SOURCES: { readonly [kind: string]: Source } = {
  prose: listed(sentence, { min: 0, max: 40 }),
  code: listed(statement, { min: 5, max: 80 }),
  repeated: listed((random) => pick(random, FEW), { min: 0, max: 30 }),
  'two lines': listed((random) => pick(random, ['x', 'y']), { min: 0, max: 14 }),
  'one line': listed(() => 'x', { min: 0, max: 6 }),
  distinct: listed((random) => `line ${random.between(0, 1_000_000)}`, { min: 0, max: 30 }),
  'few words': listed((random) => pick(random, WORDS), { min: 2, max: 25 }),
  signs: listed((random) => pick(random, ['', '---', '{', '}', ');', '<<<<<<< ours', '=======', 'x']), {
    min: 2,
    max: 25,
  }),
};

const EDITS: { readonly [name: string]: Edit } = {
  insert: (lines, random, line) => {
    const count = random.between(1, 4);
    lines.splice(random.between(0, lines.length), 0, ...Array.from({ length: count }, () => line(random)));
  },
  remove: (lines, random) => {
    lines.splice(random.between(0, lines.length), random.between(1, 4));
  },
  replace: (lines, random, line) => {
    const count = random.between(1, 3);
    lines.splice(
      random.between(0, lines.length),
      count,
      ...Array.from({ length: random.between(1, 3) }, () => line(random)),
    );
  },
  change: (lines, random) => {
    const at = random.between(0, Math.max(0, lines.length - 1));
    if (lines[at] !== undefined) lines[at] = `${lines[at]} ${pick(random, WORDS)}`;
  },
  move: (lines, random) => {
    const block = lines.splice(random.between(0, lines.length), random.between(1, 6));
    lines.splice(random.between(0, lines.length), 0, ...block);
  },
  copy: (lines, random) => {
    const from = random.between(0, lines.length);
    lines.splice(random.between(0, lines.length), 0, ...lines.slice(from, from + random.between(1, 6)));
  },
  indent: (lines, random) => {
    const from = random.between(0, lines.length);
    const end = Math.min(lines.length, from + random.between(1, 6));
    for (let at = from; at < end; at += 1) lines[at] = `  ${lines[at]}`;
  },
  reverse: (lines, random) => {
    const from = random.between(0, lines.length);
    const block = lines.slice(from, from + random.between(2, 6)).reverse();
    lines.splice(from, block.length, ...block);
  },
};

function edited(
  lines: readonly string[],
  count: number,
  { random, source }: { random: Random; source: Source },
): string[] {
  const made = [...lines];
  const names = Object.keys(EDITS);
  for (let done = 0; done < count; done += 1) EDITS[pick(random, names)]?.(made, random, source.line);
  return made;
}

/** How lines end, and whether the last one does. */
function written(lines: readonly string[], end: string, random: Random): string {
  const mixed = random.chance(0.05);
  const text = lines
    .map((line) => line + (mixed && random.chance(0.3) ? (end === '\n' ? '\r\n' : '\n') : end))
    .join('');
  return random.chance(0.15) && text.endsWith(end) ? text.slice(0, -end.length) : text;
}

/** How the two sides come about. */
function sides(base: string[], count: number, means: { random: Random; source: Source }): [string[], string[]] {
  const { random } = means;
  const form = random.between(0, 9);
  if (form === 0) {
    // Both begin with the same changes.
    const common = edited(base, count, means);
    return [edited(common, random.between(0, 2), means), edited(common, random.between(0, 2), means)];
  }
  if (form === 1) return [[...base], edited(base, count, means)];
  if (form === 2) {
    // Neighbouring lines.
    const at = random.between(0, base.length);
    const ours = [...base];
    const theirs = [...base];
    ours.splice(at, random.between(0, 2), means.source.line(random));
    theirs.splice(at + random.between(0, 2), random.between(0, 2), means.source.line(random));
    return [ours, theirs];
  }
  if (form === 3) return [edited(base, count, means), means.source.lines(random)];
  return [edited(base, count, means), edited(base, random.between(0, count), means)];
}

function small(seed: number): MergeCase {
  const random = new Random(`merge ${seed}`);
  const kinds = Object.keys(SOURCES);
  const kind = pick(random, kinds);
  const source = SOURCES[kind] ?? SOURCES['prose']!;
  const base = source.lines(random);
  const [ours, theirs] = sides(base, random.between(1, 6), { random, source });
  const end = random.chance(0.12) ? '\r\n' : '\n';
  const ends = { ours: random.chance(0.03) ? '\r\n' : end, theirs: random.chance(0.03) ? '\r\n' : end };
  return {
    name: `${kind} ${seed}`,
    base: written(base, end, random),
    ours: written(ours, ends.ours, random),
    theirs: written(theirs, ends.theirs, random),
  };
}

const shuffled = (random: Random, lines: readonly string[]): string[] => {
  const made = [...lines];
  for (let at = made.length - 1; at > 0; at -= 1) {
    const other = random.below(at + 1);
    [made[at], made[other]] = [made[other] ?? '', made[at] ?? ''];
  }
  return made;
};

/**
 * Much that differs at both ends, and a run of equal lines between that is so long that a comparison may take it as soon as it has come
 * to it. Only with some 65,000 lines of both texts is there a step at which that can be.
 */
function runs(seed: number): MergeCase {
  const random = new Random(`runs ${seed}`);
  const noise = (size: number) => Array.from({ length: size }, () => `noise ${random.below(60)}\n`);
  const ends = [noise(random.between(220, 280)), noise(random.between(400, 600))];
  const run = Array.from({ length: 34_000 }, (_, n) => `line ${n}\n`).join('');
  const side = () => ends.map((part) => shuffled(random, part).join('')).join(run);
  return { name: `runs ${seed}`, base: side(), ours: side(), theirs: side() };
}

/** New lines with frequent ones among them, now few, now many: some of those are left out of a comparison. */
function strewn(random: Random): [string[], string[], string[]] {
  const kept = Array.from({ length: 400 }, (_, n) => (random.chance(0.4) ? '' : `kept ${n}`));
  const side = () => {
    const lines = [...kept];
    for (let blocks = random.between(1, 4); blocks > 0; blocks -= 1) {
      const share = random.pick([0.1, 0.2, 0.25, 0.3]);
      const block = Array.from({ length: random.between(60, 300) }, (_, n) => {
        const dense = n % 150 < 75 ? share : 0.25;
        return random.chance(dense) ? '' : `new ${random.below(1_000_000)}`;
      });
      lines.splice(random.below(lines.length), random.between(0, 60), ...block);
    }
    return lines;
  };
  return [side(), side(), side()];
}

/** Long texts with much changed, so that a comparison ends its search early and frequent lines are left out. */
function large(seed: number): MergeCase {
  const random = new Random(`merge ${seed}`);
  const kinds: readonly Source[] = [
    listed(statement, { min: 800, max: 2_500 }),
    listed((it) => (it.chance(0.5) ? pick(it, FEW) : `line ${it.between(0, 4_000)}`), { min: 800, max: 2_500 }),
    listed((it) => `line ${it.between(0, 40)}`, { min: 600, max: 1_500 }),
    listed((it) => pick(it, FEW), { min: 400, max: 1_200 }),
  ];
  const write = (lines: readonly string[]) => lines.map((line) => `${line}\n`).join('');
  if (random.chance(0.4)) {
    const [base, ours, theirs] = strewn(random);
    return { name: `large ${seed}`, base: write(base), ours: write(ours), theirs: write(theirs) };
  }
  const source = pick(random, kinds);
  const base = source.lines(random);
  const means = { random, source };
  const count = pick(random, [10, 100, 400, 800]);
  const ours = edited(base, count, means);
  const theirs = random.chance(0.2) ? source.lines(random) : edited(base, random.between(1, count), means);
  return { name: `large ${seed}`, base: write(base), ours: write(ours), theirs: write(theirs) };
}

/** Cases that a generator seldom finds. */
const KEPT: readonly MergeCase[] = [
  { name: 'all empty', base: '', ours: '', theirs: '' },
  { name: 'both added the same', base: '', ours: 'a\n', theirs: 'a\n' },
  { name: 'both added', base: '', ours: 'a\n', theirs: 'b\n' },
  { name: 'removed and changed', base: 'a\n', ours: '', theirs: 'b\n' },
  { name: 'removed by both', base: 'a\n', ours: '', theirs: '' },
  { name: 'only the last line end', base: 'a', ours: 'a\n', theirs: 'a' },
  { name: 'last line end and change', base: 'a', ours: 'a\n', theirs: 'b' },
  { name: 'no line end on either side', base: 'a\nb', ours: 'a\nc', theirs: 'a\nd' },
  { name: 'CR alone', base: 'a\rb\rc', ours: 'a\rx\rc', theirs: 'a\rb\ry' },
  { name: 'CR LF, no end', base: 'a\r\nb', ours: 'a\r\nc', theirs: 'a\r\nd' },
  { name: 'one line CR LF', base: 'a\r\n', ours: 'b\r\n', theirs: 'c\r\n' },
  { name: 'base without end, sides CR LF', base: 'a', ours: 'b\r\n', theirs: 'c\r\n' },
  { name: 'NUL', base: 'a\0b\n', ours: 'a\n', theirs: 'b\n' },
  { name: 'NUL late', base: `${'a\n'.repeat(5_000)}\0\n`, ours: 'a\n', theirs: 'b\n' },
  { name: 'NUL at the last byte that is looked at', base: `${'a'.repeat(7_999)}\0\n`, ours: 'a\n', theirs: 'b\n' },
  { name: 'NUL behind it', base: `${'a'.repeat(8_000)}\0\n`, ours: 'a\n', theirs: 'b\n' },
  {
    name: 'thousands of equal lines',
    base: 'x\n'.repeat(4_000),
    ours: 'x\n'.repeat(4_100),
    theirs: 'x\n'.repeat(3_900),
  },
  {
    name: 'a huge line',
    base: `${'x'.repeat(1_000_000)}\n`,
    ours: `${'x'.repeat(1_000_001)}\n`,
    theirs: `a\n${'x'.repeat(1_000_000)}\n`,
  },
  { name: 'beyond ASCII', base: 'ä\nö\n', ours: 'ä\nü\n', theirs: 'é\nö\n' },
  { name: 'pairs of units', base: '😀\nb\n', ours: '😀\nc\n', theirs: '😁\nb\n' },
];

/** `count` cases, of which one in 40 is large. */
export function mergeCases(count: number): MergeCase[] {
  const long = [1, 2, 3, 4].map(runs);
  const generated = Array.from({ length: count - KEPT.length - long.length }, (_, seed) =>
    seed % 40 === 39 ? large(seed) : small(seed),
  );
  return [...KEPT, ...long, ...generated];
}
