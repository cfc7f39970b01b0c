/**
 * The kinds of tasks in a chaos run: what each asks of the server, and how it may end.
 *
 * K1 The kind of a task follows from its number alone, so that runs of one length have the same mix.
 */
import { z } from 'zod';
import { must } from '../../src/base/assert.ts';
import { Random } from './random.ts';

export const KINDS = [
  /** A task with nothing to it. */
  'plain',
  /** Created together with others in one request. */
  'batch',
  /** Shares a concurrency key with others: at most `KEY_MAX` of them run at once. */
  'keyed',
  /** For agents whose label says the right zone. */
  'zoned',
  /** Not before its time. */
  'delayed',
  /** Cancelled at some moment, early or too late. */
  'cancelled',
  /** Fails at every attempt, and so becomes a dead letter. */
  'doomed',
  /** The replay of such a letter, with an edit that lets it complete. */
  'cured',
  /** Asks a question and completes with the answer. */
  'asking',
  /** Paused and resumed. */
  'paused',
  /** Is told `MESSAGES` messages and completes when it has heard the last. */
  'steered',
  /** Goes through `STEPS` steps and has a checkpoint after each. */
  'saved',
  /** Distributed to `PARTS` parts. */
  'whole',
] as const;
export type Kind = (typeof KINDS)[number];

export const KEY_MAX = 2;
export const KEYS = 20;
export const MESSAGES = 3;
export const STEPS = 5;
export const PARTS = 5;
export const BATCH = 10;
export const ZONES = ['north', 'south', 'west'] as const;
export const MODES = ['all', 'any', 'majority', 'threshold', 'best_of'] as const;
export const THRESHOLD = 2;
/** A cured task has the number of the doomed one, and this. */
const CURED = 1_000_000_000;

/** How many of each hundred. */
const SHARES: readonly (readonly [kind: Kind, count: number])[] = [
  ['plain', 45],
  ['keyed', 9],
  ['zoned', 6],
  ['delayed', 6],
  ['cancelled', 5],
  ['doomed', 2],
  ['asking', 4],
  ['paused', 3],
  ['steered', 3],
  ['saved', 5],
  ['whole', 2],
];
const HUNDRED: readonly Kind[] = [...Array.from({ length: BATCH }, (): Kind => 'batch'), ...shuffled()];

/** The places of those with a key. */
const KEYED: readonly number[] = HUNDRED.flatMap((kind, place) => (kind === 'keyed' ? [place] : []));

function shuffled(): readonly Kind[] {
  const random = new Random(1);
  return SHARES.flatMap(([kind, count]) => Array.from({ length: count }, () => ({ kind, at: random.unit() })))
    .sort((a, b) => a.at - b.at)
    .map(({ kind }) => kind);
}

export function kindOf(number: number): Kind {
  return number >= CURED ? 'cured' : must(HUNDRED[number % HUNDRED.length], 'one of the hundred');
}

export function curedOf(number: number): number {
  return number + CURED;
}

/** Numbers of one batch follow each other; this is the first of them. */
export function beginsBatch(number: number): boolean {
  return number % HUNDRED.length === 0;
}

/** One after the other: each key has as many tasks as any other. */
export function keyOf(number: number): string {
  const place = KEYED.indexOf(number % HUNDRED.length);
  return `key-${(Math.floor(number / HUNDRED.length) * KEYED.length + place) % KEYS}`;
}

export function zoneOf(number: number): string {
  return must(ZONES[number % ZONES.length], 'a zone');
}

export function modeOf(number: number): (typeof MODES)[number] {
  return must(MODES[Math.floor(number / HUNDRED.length) % MODES.length], 'a mode');
}

/** Of how many parts the completion is certain: the others may be cancelled. */
export function needOf(number: number): number {
  const needs = { all: PARTS, any: 1, majority: Math.floor(PARTS / 2) + 1, threshold: THRESHOLD, best_of: THRESHOLD };
  return needs[modeOf(number)];
}

export function answerOf(number: number): string {
  return `answer ${number}`;
}

/** Of each task; a part of a whole has the number of the whole. */
export const parametersSchema = z.object({ number: z.number(), part: z.number().optional() });
export const checkpointSchema = z.object({ step: z.number() });
