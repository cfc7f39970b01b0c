/** Recorded logs, replayed in processes that differ in whatever a process can differ in, give the same states and outputs. */
import { spawnSync } from 'node:child_process';
import { accessSync, constants, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PERTURB_BUGS } from '../planted/perturb-bugs.ts';
import { rootFolder } from '../planted/sources.ts';
import { buildPlanted } from '../planted/workshop.ts';
import { simulate } from '../simulation.ts';
import { drawPlan } from '../swarm.ts';
import { writeRecorded } from './recorded.ts';

interface Place {
  readonly flags?: readonly string[];
  readonly env?: { readonly [name: string]: string };
  readonly args?: readonly string[];
  readonly node?: string;
}

const PLAIN: Place = {};
const ZONE: Place = { env: { TZ: 'Pacific/Apia', LANG: 'tr_TR.UTF-8', LC_ALL: 'tr_TR.UTF-8' } };
const PLACES: readonly (readonly [name: string, place: Place])[] = [
  ['of another zone and language', ZONE],
  ['with a small stack', { flags: ['--stack-size=300'] }],
  ['with other hashes and other chance', { flags: ['--hash-seed=7', '--random-seed=7'] }],
  [
    'that collects garbage all the time',
    { flags: ['--gc-interval=500'], args: ['--restored-every', '40', '--shuffled'] },
  ],
  ['without a compiler', { flags: ['--jitless'], args: ['--batch', '64'] }],
  ...['node20', 'node22', 'node24'].flatMap((name): (readonly [string, Place])[] => {
    const node = installed(name);
    return node === undefined ? [] : [[`of ${name}`, { node }]];
  }),
];

function installed(name: string): string | undefined {
  return (process.env['PATH'] ?? '')
    .split(delimiter)
    .map((folder) => join(folder, name))
    .find((file) => {
      try {
        accessSync(file, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}

const OWN = join(rootFolder(), 'dist', 'test', 'simulation', 'perturb', 'main.js');

function replayedIn(place: Place, file: string, program = OWN): string {
  const { flags = [], env = {}, args = [], node = process.execPath } = place;
  const run = spawnSync(node, [...flags, program, file, ...args], {
    encoding: 'utf8',
    env: { PATH: process.env['PATH'], TZ: 'UTC', LANG: 'C', ...env },
  });
  if (run.status !== 0) throw new Error(run.stderr);
  return run.stdout;
}

describe('logs that are replayed in a process', { timeout: 120_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'muster-perturbed-'));
  const files: string[] = [];
  let plain: readonly string[] = [];

  beforeAll(() => {
    const looks = { checked: false, judged: false, replayed: false, perturbed: false, asked: false };
    for (const seed of [62, 65]) {
      const file = join(folder, `${seed}.json`);
      writeFileSync(file, writeRecorded(simulate(drawPlan(seed), looks).recorded()));
      files.push(file);
    }
    plain = files.map((file) => replayedIn(PLAIN, file));
  }, 120_000);
  afterAll(() => rmSync(folder, { recursive: true }));

  it('are long enough to say something', () => {
    for (const text of plain) expect(text.split('\n').length).toBeGreaterThan(8);
  });

  it.each(PLACES)('%s come to the same', (_, place) => {
    expect(files.map((file) => replayedIn(place, file))).toEqual(plain);
  });

  it('taken down and loaded anew after each entry, in another order of tables, come to the same', () => {
    const few = ['--entries', '300'];
    const each = [...few, '--restored-every', '1', '--shuffled'];
    const of = (args: readonly string[]): string[] => files.map((file) => replayedIn({ args }, file));
    expect(of(each)).toEqual(of(few));
  });

  it('come to something else where a decision asks for the zone', () => {
    const bug = PERTURB_BUGS.find(({ name }) => name === 'deadline-by-zone');
    if (bug === undefined) throw new Error('the bug is not in the table');
    const place = join(folder, 'planted');
    mkdirSync(place);
    buildPlanted(place, bug);
    const program = join(place, 'test', 'simulation', 'perturb', 'main.js');
    expect(files.map((file) => replayedIn(PLAIN, file, program))).toEqual(plain);
    expect(files.map((file) => replayedIn(ZONE, file, program))).not.toEqual(plain);
  });
});
