/**
 * Courses: kinds of runs, each with seeds of its own. What is drawn for one says nothing of another, so that a course can change without the
 * seeds of the others meaning something else.
 *
 * Tasks, agents, locks and notifications are the first course; its seeds begin at 1 (swarm.ts).
 */
import type { NodesPlan } from './nodes/plan.ts';
import { drawNodesPlan } from './nodes/swarm.ts';
import type { Plan } from './plan.ts';
import { drawPlan } from './swarm.ts';
import { drawDocumentPlan } from './swarm-documents.ts';
import { drawMovesPlan } from './swarm-moves.ts';
import { drawTeamPlan } from './swarm-teams.ts';
import { drawWorkspacePlan } from './swarm-workspaces.ts';

export const COURSES = {
  documents: { base: 1_000_000, draw: drawDocumentPlan },
  workspaces: { base: 2_000_000, draw: drawWorkspacePlan },
  moves: { base: 3_000_000, draw: drawMovesPlan },
  nodes: { base: 4_000_000, draw: drawNodesPlan },
  teams: { base: 5_000_000, draw: drawTeamPlan },
} as const;
export type Course = keyof typeof COURSES;

/** Runs of several nodes have a simulation of their own (nodes/simulation.ts). */
export type AnyPlan = Plan | NodesPlan;

/** Beside so many seeds of the first course one of each other course is run: of the first thousand, and above. */
const BESIDE = 8;
const BESIDE_LATER = 64;
const EARLY_SEEDS = 1_000;

export function isCourse(name: string): name is Course {
  return Object.hasOwn(COURSES, name);
}

export function isOfNodes(plan: AnyPlan): plan is NodesPlan {
  return 'course' in plan;
}

export function planOf(seed: number): AnyPlan {
  const found = Object.values(COURSES).findLast((course) => seed > course.base);
  return found === undefined ? drawPlan(seed) : found.draw(seed);
}

/** Seeds of a course, the first of them 1. */
export function seedsOf(course: Course, { from, seeds }: { readonly from: number; readonly seeds: number }): number[] {
  return Array.from({ length: seeds }, (_, i) => COURSES[course].base + from + i);
}

/** What is run of the other courses beside these of the first. */
export function seedsBeside({ from, seeds }: { readonly from: number; readonly seeds: number }): number[] {
  const before = besideUpTo(from - 1);
  const upTo = besideUpTo(from - 1 + seeds);
  return Object.values(COURSES).flatMap(({ base }) =>
    Array.from({ length: upTo - before }, (_, i) => base + before + 1 + i),
  );
}

function besideUpTo(seed: number): number {
  return Math.floor(Math.min(seed, EARLY_SEEDS) / BESIDE) + Math.floor(Math.max(0, seed - EARLY_SEEDS) / BESIDE_LATER);
}
