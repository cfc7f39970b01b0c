/** The bench as its users run it: a process, one JSON object, an exit code. */
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { Cleanup } from '../../bench/harness/cleanup.ts';

const MAIN = fileURLToPath(new URL('../../dist/bench/harness/main.js', import.meta.url));

const figureSchema = z.strictObject({ median: z.number(), min: z.number(), max: z.number(), unit: z.string() });
const ratioSchema = z.strictObject({
  value: z.number(),
  target: z.number(),
  bound: z.enum(['min', 'max']),
  ok: z.boolean(),
});
const reportSchema = z.strictObject({
  scenario: z.string(),
  machine: z.looseObject({ cpu: z.string(), cores: z.number(), node: z.string(), fdatasyncP50Us: z.number() }),
  runs: z.number(),
  figures: z.record(z.string(), figureSchema),
  ratios: z.record(z.string(), ratioSchema),
  bottleneck: z.string(),
});

function bench(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  return benchWithin(60_000, ...args);
}

function benchWithin(timeout: number, ...args: string[]): ReturnType<typeof bench> {
  return spawnSync(process.execPath, [MAIN, ...args], { encoding: 'utf8', timeout });
}

describe('npm run bench', () => {
  it('prints one object with everything it measured, and leaves nothing behind', () => {
    const cleanup = new Cleanup();
    const dir = cleanup.directory(tmpdir(), 'muster-bench-test-');
    const { status, stdout, stderr } = bench('dispatch', '--only', 'limit', '--quick', '--json', '--dir', dir);
    expect(stderr).toContain('512 in flight');
    expect(status, stderr).toBe(0);
    const report = reportSchema.parse(JSON.parse(stdout));
    expect(report).toMatchObject({ scenario: 'dispatch', runs: 1 });
    for (const level of [1, 64, 512]) expect(report.figures[`limit at ${level}: rate`]?.median).toBeGreaterThan(0);
    expect(report.bottleneck).toContain('limit at 512: server');
    expect(readdirSync(dir)).toEqual([]);
    cleanup.abandon();
  });

  it('measures what agents cost in a server that says what it takes', () => {
    const { stdout, stderr } = bench('idle', '--quick', '--only', 'ws', '--runs', '1', '--json');
    expect(stderr).toContain('KiB resident');
    const { figures, ratios } = reportSchema.parse(JSON.parse(stdout));
    expect(figures["ws, in V8's heap"]?.median).toBeGreaterThan(1);
    expect(Object.keys(ratios)).toEqual(['ws: KiB for each of 200 agents']);
  });

  it('reads from the history of a server whether its locks were granted in turn', () => {
    const { stdout, stderr } = bench('locks', '--quick', '--only', 'muster', '--json');
    expect(stderr).toContain('64 on one path');
    const { figures, ratios, bottleneck } = reportSchema.parse(JSON.parse(stdout));
    expect(figures['muster at 64 on own paths: rate']?.median).toBeGreaterThan(0);
    for (const contenders of [16, 64]) {
      expect(ratios[`grants out of turn at ${contenders} on one path`]?.value).toBe(0);
      expect(ratios[`most grants to others while one waited at ${contenders} on one path`]?.value).toBeGreaterThan(0);
    }
    expect(bottleneck).toContain('muster at 64 on one path: main threads server');
  });

  it('edits documents of both sizes, and says what their history and their content cost', () => {
    const { stdout, stderr } = bench('documents', '--quick', '--json');
    expect(stderr).toContain('edit after 100 versions');
    const { figures, ratios, bottleneck } = reportSchema.parse(JSON.parse(stdout));
    for (const load of ['one document of 10 KiB, by section', '20 documents of 1024 KiB, whole'])
      expect(figures[load]?.median).toBeGreaterThan(0);
    expect(Object.keys(ratios)).toEqual([
      'read after 100 versions (64 kept), of a new document',
      'edit after 100 versions (64 kept), of a new document',
      'bytes of heap for each byte more of content',
    ]);
    expect(bottleneck).toContain('cores at the last load: ');
  });

  // Seconds; on a machine that is busy with other things the processes of it wait for a processor.
  it('measures two nodes that share a Redis', { timeout: 310_000 }, () => {
    const { stdout, stderr } = benchWithin(300_000, 'cluster', '--quick', '--only', 'nodes', '--json');
    expect(stderr).toContain('2 nodes, 4 tenants');
    const { figures, ratios, bottleneck } = reportSchema.parse(JSON.parse(stdout));
    for (const what of ['rate', 'of a CPU second', 'p50', 'p99'])
      expect(figures[`2 nodes, 4 tenants: ${what}`]?.median).toBeGreaterThan(0);
    expect(ratios).toEqual({});
    expect(bottleneck).toContain('2 nodes, 4 tenants: node 1');
  });

  it('says how it is used', () => {
    const { status, stdout, stderr } = bench('nothing');
    expect(status).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).toMatch(/npm run bench -- SCENARIO[^]*\n  dispatch /);
  });

  it('refuses to measure syncs in memory', () => {
    const { status, stderr } = bench('dispatch', '--only', 'limit', '--quick', '--dir', '/dev/shm');
    expect(status).toBe(2);
    expect(stderr).toContain('is in memory');
  });
});
