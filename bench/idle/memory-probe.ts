/**
 * Loaded into the server that is measured: on SIGUSR2 it collects garbage and writes what it takes to the file that
 * MEMORY_FILE names, whole or not at all.
 */
import { renameSync, writeFileSync } from 'node:fs';
import { must } from '../../src/base/assert.ts';
import type { Memory } from './memory.ts';

const file = must(process.env['MEMORY_FILE'], 'MEMORY_FILE');
const collect = must(globalThis.gc, 'the server runs with --expose-gc');

process.on('SIGUSR2', () => {
  // What only finalisers let go of is gone with the second one.
  collect();
  setImmediate(() => {
    collect();
    const { rss, heapUsed, external } = process.memoryUsage();
    const memory: Memory = { rss, heapUsed, external };
    writeFileSync(`${file}.new`, JSON.stringify(memory));
    renameSync(`${file}.new`, file);
  });
});
