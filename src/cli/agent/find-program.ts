/** Whether a program is there, before anything relies on it. */
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { usage } from '../exit.ts';

/** A program that is not there is a fault of the command line, not of what it was to do. */
export function findProgram(program: string): void {
  if (process.platform === 'win32') return;
  const places = program.includes('/')
    ? [program]
    : (process.env['PATH'] ?? '').split(delimiter).map((folder) => join(folder, program));
  for (const place of places) {
    try {
      accessSync(place, constants.X_OK);
      return;
    } catch {
      // The next one, if there is one.
    }
  }
  throw usage(`The program ${program} is not there, or may not be run.`);
}
