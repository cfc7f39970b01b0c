#!/usr/bin/env node
/** The program `muster`: a file that is there before the first build, so that what npm makes of it is not a broken link. */
import { existsSync } from 'node:fs';

const built = new URL('../dist/src/cli/muster.js', import.meta.url);
if (existsSync(built)) await import(built.href);
else {
  process.stderr.write('Muster is not built yet: run `npm ci` and `npm run build` in its folder first.\n');
  process.exitCode = 1;
}
