import type { Course } from '../courses.ts';

/** A row of the table of planted bugs. */
export interface PlantedBug {
  readonly name: string;
  /** The kind of runs that meets it; default: those of tasks. */
  readonly runs?: Course;
  /** A source file of the product, and the text in it that is replaced: it occurs there exactly once. */
  readonly file: `src/${string}.ts`;
  readonly find: string;
  readonly replace: string;
  readonly breaks: string;
  /** What is reported: numbers and letters of the checker's catalogue; a word is a verdict of the simulator itself. */
  readonly invariants: readonly string[];
}
