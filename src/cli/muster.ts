#!/usr/bin/env node
/** The program `muster`. */
import { main } from './main.ts';

// `muster task list | head` closes the pipe early: that is no fault.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit(0);
});
const code = await main(process.argv.slice(2));
process.exitCode = code;
// Whatever a command that failed left open must not keep it from ending.
if (code !== 0) setTimeout(() => process.exit(code), 500).unref();
