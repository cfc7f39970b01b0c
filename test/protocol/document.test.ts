/** PROTOCOL.md says what the code does, where a table or a list can be compared. (Codes, frames and methods: the tidy test.) */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { METHOD_SCHEMAS } from '../../protocol/schema/methods.ts';
import { ERROR_CODES } from '../../protocol/wire/codes.ts';
import { LIMITS } from '../../protocol/wire/limits.ts';
import { SCAN_REASONS } from '../../protocol/wire/scan.ts';
import { AGENT_STATUSES, Op, TASK_STATUSES } from '../../protocol/wire/types.ts';
import { TRANSITIONS } from '../../src/engine/tasks/transitions.ts';
import { SERVER_TOPICS } from '../../src/engine/topics/topics.ts';
import { documentedErrors } from '../support/documented-errors.ts';
import { CLIENTS } from './vectors/clients.ts';
import { SESSIONS } from './vectors/sessions.ts';
import { OPERATING } from './vectors/operating.ts';
import { TREES } from './vectors/trees.ts';
import { WORK } from './vectors/work.ts';

const PAPER = readFileSync(new URL('../../protocol/PROTOCOL.md', import.meta.url), 'utf8');
const TRANSCRIPTS = [...SESSIONS, ...WORK, ...TREES, ...OPERATING, ...CLIENTS];

/** From a heading to the next one of its level or above. */
function section(heading: string): string {
  const level = heading.split(' ')[0] ?? '#';
  const start = PAPER.indexOf(`\n${heading}`);
  expect(start, heading).toBeGreaterThan(0);
  const rest = PAPER.slice(start + heading.length + 1);
  const end = rest.search(new RegExp(`^#{1,${level.length}} `, 'm'));
  return end === -1 ? rest : rest.slice(0, end);
}

/** Cells of the rows of a section's tables, heads apart. */
function rows(heading: string): string[][] {
  return section(heading)
    .split('\n')
    .filter((line) => line.startsWith('|') && !/^\|[\s|:-]+\|$/.test(line))
    .map((line) =>
      line
        .replaceAll('\\|', '/')
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim().replaceAll('`', '')),
    );
}

/** Bounds inside the server that no client meets. */
const INTERNAL = new Set([
  'appendCostMax',
  'auditMs',
  'authAddressesMax',
  'entriesBehindMax',
  'entryCommandsMax',
  'finishedKept',
  'followUpsMax',
  'movesMax',
  'lettersPerFeed',
  'lockLooksMax',
  'liveGapMs',
  'outboundBytes',
  'outboundFrames',
  'tracedTasks',
  'turnCost',
  'prunedMax',
  'prunedBesideMax',
  'ringBytes',
  'ringPushesMax',
  'socketBytes',
]);

describe('PROTOCOL.md', () => {
  it('has in its contents each section, in order, with a link to its heading', () => {
    const linked = [...PAPER.slice(0, PAPER.indexOf('\n## ')).matchAll(/\[(\d+) ([^\]]+)\]\(#([^)]+)\)/g)];
    const headings = [...PAPER.matchAll(/^## (\d+)\. (.+)$/gm)];
    expect(headings.length).toBeGreaterThan(25);
    expect(headings.map(([, number]) => Number(number))).toEqual(headings.map((_, at) => at + 1));
    const anchor = (number = '', title = ''): string => `${number}-${title.toLowerCase().replaceAll(' ', '-')}`;
    expect(linked.map(([, number, title, to]) => [number, title, to])).toEqual(
      headings.map(([, number, title]) => [number, title, anchor(number, title)]),
    );
  });

  it('has no heading twice', () => {
    const headings = [...PAPER.matchAll(/^#+ .+$/gm)].map(([heading]) => heading);
    expect(headings.length).toBeGreaterThan(200);
    expect(headings.filter((heading, at) => headings.indexOf(heading) !== at)).toEqual([]);
  });

  it('has below the shape of a task what its table refers to', () => {
    const text = section('### task (result)');
    const below = [...text.matchAll(/^\| `(\w+)\??` .*\bbelow\b.*$/gm)].map(([, name]) => name ?? '');
    expect(below).toEqual(['tree']);
    for (const name of below) expect(text).toContain(`\n\`${name}\`: `);
  });

  it('has the limits of the code, each of them or a reason why not', () => {
    const flat = Object.entries(LIMITS).flatMap(([name, value]) =>
      typeof value === 'number'
        ? [[name, value] as const]
        : Object.entries(value).map(([part, one]) => [`${name}.${part}`, one] as const),
    );
    const paper = rows('## 18. Limits').slice(1);
    const visible = flat.filter(([name]) => !INTERNAL.has(name)).map(([name, value]) => `${name} ${value}`);
    expect(paper.map(([name, value]) => `${name} ${value}`).toSorted()).toEqual(visible.toSorted());
    for (const [name, , bound] of paper) expect(bound, name).not.toBe('');
  });

  it('has the reasons of INVALID_FRAME', () => {
    const text = section('## 3. Encoding');
    const list = text.slice(text.indexOf('Reasons of `INVALID_FRAME`'), text.indexOf('In this page'));
    expect([...list.matchAll(/`([a-z0-9_]+)`/g)].map((match) => match[1])).toEqual([...SCAN_REASONS]);
  });

  it('has the statuses, and the transitions that the engine allows', () => {
    const table = rows('### 11.1 Statuses')
      .filter((row) => row.length === 4)
      .slice(1);
    expect(table.map(([status]) => status)).toEqual([...TASK_STATUSES]);
    for (const [status = '', , , leads = ''] of table) {
      const named =
        leads === 'final' || leads === '–'
          ? []
          : leads.split(/[,;] /).flatMap((one) => (one === 'ends' ? ['failed', 'cancelled', 'timed_out'] : [one]));
      const allowed: readonly string[] = TASK_STATUSES.includes(status as 'paused')
        ? TRANSITIONS[status as 'pending']
        : [];
      expect(named.toSorted(), status).toEqual(allowed.toSorted());
    }
  });

  it('has the topics that belong to the server', () => {
    const rule = /- \[C2\][^]*?(?=\n- \[C3\])/.exec(PAPER)?.[0] ?? '';
    const list = rule.slice(0, rule.indexOf('are the server'));
    expect([...list.matchAll(/`([a-z]+)`/g)].map((match) => match[1])).toEqual([...SERVER_TOPICS]);
  });

  it('has the statuses of agents', () => {
    for (const status of AGENT_STATUSES) expect(section('### agent (result)')).toContain(`\`${status}\``);
  });

  it('names every param of every method, with a mark where it may be absent', () => {
    for (const [method, schema] of Object.entries(METHOD_SCHEMAS)) {
      expect(schema, method).toBeInstanceOf(z.ZodObject);
      const text = section(method === 'agent.register' ? '### agent shape' : `### ${method}`);
      const { shape } = schema as unknown as z.ZodObject;
      for (const [name, field] of Object.entries(shape)) {
        const optional = (field as z.ZodType).safeParse(undefined).success || field instanceof z.ZodExactOptional;
        expect(text, `${method} ${name}`).toContain(`\`${name}${optional ? '?' : ''}\``);
      }
    }
  });

  it('says of each method with which codes it may be refused', () => {
    const says = documentedErrors(PAPER);
    const methods = Object.keys(METHOD_SCHEMAS);
    for (const code of ['INVALID_PARAMS', 'UNAUTHORIZED', 'INVALID_FRAME'])
      expect(
        methods.filter((method) => !says(method, code)),
        code,
      ).toEqual([]);
    expect(says('task.accept', 'STALE_TOKEN'), 'by the rule of tokens').toBe(true);
    expect(says('schedule.trigger', 'QUEUE_FULL'), 'by another method').toBe(true);
    expect(says('section.unlock', 'NOT_HELD'), 'by another method').toBe(true);
    expect(says('task.create', 'OUTCOME_UNKNOWN'), 'by being a write').toBe(true);
    expect(says('task.get', 'OUTCOME_UNKNOWN')).toBe(false);
    expect(says('task.get', 'STALE_TOKEN')).toBe(false);
    expect(says('task.steal', 'UNKNOWN_METHOD')).toBe(true);
    expect(says('task.steal', 'TASK_NOT_FOUND')).toBe(false);
    const unsaid = Object.keys(ERROR_CODES).filter((code) => !methods.some((method) => says(method, code)));
    // What only a frame, or a push, is refused with.
    expect(unsaid).toEqual(['UNKNOWN_METHOD', 'WAIT_TIMEOUT', 'RESOURCE_GONE']);
    expect(() => documentedErrors(PAPER.replace('Errors: as of `lock.release`', 'Errors: as of that'))).toThrow(
      'section.unlock',
    );
    expect(() => documentedErrors(PAPER.replace('Errors: as of `lock.release`', 'Errors: as of `lock.free`'))).toThrow(
      'lock.free',
    );
  });

  it('says of a method what transcripts expect', () => {
    const says = documentedErrors(PAPER);
    const isFrame = (value: unknown, op: number): value is readonly [number, number, { m?: string; code?: string }] =>
      Array.isArray(value) && value[0] === op;
    let refusals = 0;
    for (const { name, steps } of TRANSCRIPTS) {
      const asked = new Map<string, string>();
      for (const step of steps) {
        const { on, frame, frames = [] } = step as { on?: string; frame?: unknown; frames?: readonly unknown[] };
        for (const one of frame === undefined ? frames : [frame]) {
          if (isFrame(one, Op.REQUEST)) asked.set(`${on} ${one[1]}`, one[2].m ?? '');
          const method = isFrame(one, Op.ERROR) ? asked.get(`${on} ${one[1]}`) : undefined;
          if (!isFrame(one, Op.ERROR) || method === undefined || one[2].code === undefined) continue;
          refusals += 1;
          expect(says(method, one[2].code), `${name}: ${method} ${one[2].code}`).toBe(true);
        }
      }
    }
    expect(refusals).toBeGreaterThan(20);
  });

  it('names no param that a method does not have', () => {
    for (const [method, schema] of Object.entries(METHOD_SCHEMAS)) {
      if (method === 'agent.register') continue;
      const text = section(`### ${method}`);
      const params = text.slice(0, text.search(/result `|result /));
      const known = Object.keys((schema as unknown as z.ZodObject).shape);
      const named = [...params.matchAll(/`([a-zA-Z]+)\?`/g)].map((match) => match[1] ?? '');
      const inner = [
        'maxAttempts',
        'initialDelayMs',
        'maxDelayMs',
        'factor',
        'ttlMs',
        'policy',
        'max',
        'threshold',
        'by',
        'mode',
      ];
      expect(
        named.filter((name) => !known.includes(name) && !inner.includes(name)),
        method,
      ).toEqual([]);
    }
  });

  it('has each rule once, and those that transcripts cite', () => {
    const rules = [...PAPER.matchAll(/^- \[([A-Z]+\d+)\]/gm)].map((match) => match[1] ?? '');
    expect(rules.length).toBeGreaterThan(80);
    expect(new Set(rules).size).toBe(rules.length);
    for (const { name, rules: cited } of TRANSCRIPTS) {
      for (const rule of cited) expect(rules, `${name} cites ${rule}`).toContain(rule);
    }
    const mentioned = [...PAPER.matchAll(/\(([A-Z]\d+)(?:[,)])/g)].map((match) => match[1] ?? '');
    expect(mentioned.filter((rule) => !rules.includes(rule))).toEqual([]);
  });

  it('names vectors that are there', () => {
    const named = [...PAPER.matchAll(/vectors? ((?:`[a-z-]+`(?:, )?)+)/g)].flatMap((match) =>
      [...(match[1] ?? '').matchAll(/`([a-z-]+)`/g)].map((one) => one[1] ?? ''),
    );
    const there = TRANSCRIPTS.map(({ name }) => name);
    expect(named.length).toBeGreaterThan(25);
    expect(named.filter((name) => !there.includes(name))).toEqual([]);
    expect(new Set(there).size).toBe(there.length);
  });

  it('has at least fifteen scenarios', () => {
    expect([...PAPER.matchAll(/^### 19\.\d+ /gm)].length).toBeGreaterThanOrEqual(15);
  });
});
