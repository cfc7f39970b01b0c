/**
 * Before any test: dist/ is what the sources make, because worker threads and the command line run from there.
 * `npm test` has built it; a plain `vitest` in a changed checkout builds here.
 */
import { build, isBuilt } from '../../scripts/build.js';

export function setup(): void {
  if (isBuilt()) return;
  const { ok, output } = build();
  if (!ok) process.stderr.write(`${output}dist/ was made in spite of these errors; "npm run build" must be clean.\n`);
}
