/** The model of scaling: its arithmetic, and that its paper shows the figures that it is computed from. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { INPUTS } from '../../bench/scaling/inputs.ts';
import { plan, type Figures, type Wish } from '../../bench/scaling/model.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const PAPER = readFileSync(`${root}docs/scaling.md`, 'utf8');

/** Round figures, so that the results can be computed by head. */
const FIGURES: Figures = {
  taskUs: { value: 100 },
  applyShare: { value: 0.5 },
  idleUs: { value: 10 },
  agentKiB: { value: 10.24 },
  serverMiB: { value: 200 },
  redisUs: { value: 20 },
  redisBytes: { value: 1_000 },
  connections: { value: 50_000 },
  tenantConnections: { value: 40_000 },
  tenantAgents: { value: 100_000 },
};
const WISH: Wish = {
  agents: 1_000_000,
  tenants: 1_000,
  largest: 0.01,
  tasksPerAgentHour: 3_600,
  kind: 'sqlite',
  nodes: 3,
  use: 0.5,
  memoryMiB: 1_200,
};

function run(...args: readonly string[]) {
  return spawnSync(process.execPath, [`${root}dist/bench/scaling/main.js`, ...args], { encoding: 'utf8' });
}

describe('the model', () => {
  it('computes cells of one server', () => {
    // A task a second each: 110 µs of an agent in a second; half a processor has 500,000.
    const made = plan(WISH, FIGURES);
    expect(made.limits).toEqual([
      { name: 'processor', agents: 4_545 },
      { name: 'connections', agents: 25_000 },
      { name: 'memory', agents: 50_000 },
    ]);
    expect([made.cells, made.servers, made.tasksPerSecond]).toEqual([221, 221, 1_000_000]);
    expect(made.processor).toBeCloseTo((1_000_000 / 221) * 110e-6);
    expect(made.processor).toBeLessThanOrEqual(0.5);
    expect(made.redisGiBPerDay).toBe(0);
  });

  it('computes cells of several servers, of which one may be away', () => {
    // Of two that are left: 75 µs of a task, 5 of a connection.
    const made = plan({ ...WISH, kind: 'shared' }, FIGURES);
    expect(made.limits[0]).toEqual({ name: 'processor', agents: 6_250 });
    expect([made.cells, made.servers]).toEqual([160, 480]);
    // 6,250 tasks of 1,000 bytes in a second.
    expect(made.redisGiBPerDay).toBeCloseTo((6.25e6 * 86_400) / 2 ** 30);
  });

  it('is bounded by what is used up first', () => {
    const bound = (more: Partial<Wish>) => plan({ ...WISH, ...more }, FIGURES).limits[0]?.name;
    expect(bound({})).toBe('processor');
    expect(bound({ tasksPerAgentHour: 0.001, memoryMiB: 400 })).toBe('memory');
    expect(bound({ tasksPerAgentHour: 0.001, memoryMiB: 16_000 })).toBe('connections');
    const slow = plan({ ...WISH, kind: 'redis' }, { ...FIGURES, redisUs: { value: 1_000 } });
    expect(slow.limits[0]).toEqual({ name: 'redis processor', agents: 500 });
  });

  it('needs more cells for more agents, more work and less use, never fewer', () => {
    const cells = (more: Partial<Wish>) => plan({ ...WISH, ...more }, FIGURES).cells;
    for (const kind of ['sqlite', 'redis', 'shared'] as const) {
      const base = cells({ kind });
      expect(cells({ kind, agents: 2_000_000 })).toBeGreaterThanOrEqual(base);
      expect(cells({ kind, tasksPerAgentHour: 7_200 })).toBeGreaterThanOrEqual(base);
      expect(cells({ kind, use: 0.25 })).toBeGreaterThanOrEqual(base);
    }
    expect(cells({ agents: 1 })).toBe(1);
  });

  it('says what cannot be done', () => {
    expect(plan({ ...WISH, largest: 0.5 }, FIGURES).faults).toEqual([
      'The largest tenant has 500000 agents, and a tenant can have 4545 here: divide it.',
    ]);
    expect(plan({ ...WISH, tenants: 200, largest: 0.001 }, FIGURES).faults).toEqual([
      '221 cells need as many tenants to spread, and there are 200.',
    ]);
  });
});

describe('the paper', () => {
  it('has the figures that the model is computed from', () => {
    const rows = PAPER.split('\n').filter((line) => line.startsWith('| `'));
    const cells = rows.map((row) =>
      row
        .slice(2, -2)
        .split(' | ')
        .map((cell) => cell.trim()),
    );
    expect(cells).toEqual(
      Object.entries(INPUTS).map(([name, { value, unit, source }]) => [`\`${name}\``, String(value), unit, source]),
    );
  });

  it('shows what the command prints', () => {
    const shown = [...PAPER.matchAll(/^ {4}npm run scaling-model -- (.*)\n\n((?: {4}.*\n)+)/gm)];
    expect(shown.length).toBeGreaterThanOrEqual(2);
    for (const [, args = '', text = ''] of shown) {
      expect(run(...args.split(' ')).stdout).toBe(text.replaceAll(/^ {4}/gm, ''));
    }
  });
});

it('the command says how it is used', () => {
  for (const args of [['--frob'], ['--agents', '-1'], ['--log', 'paper'], ['--use', '2']]) {
    const { status, stdout, stderr } = run(...args);
    expect([status, stdout]).toEqual([2, '']);
    expect(stderr).toContain('npm run scaling-model -- ');
  }
  const { status, stdout } = run('--agents', '10', '--tenants', '1', '--json');
  expect([status, JSON.parse(stdout)]).toMatchObject([0, { plan: { cells: 1 }, inputs: INPUTS }]);
});
