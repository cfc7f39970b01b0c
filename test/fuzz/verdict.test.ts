/** The verdict can fail: each bound, missed by a little, is said; and a good run is good. */
import { describe, expect, it } from 'vitest';
import { BOUNDS, missed, type Figures } from './verdict.ts';

const calm = { p50: 2, p99: 5, samples: 2_000 };

const GOOD: Figures = {
  neighbour: { calmMs: calm, fuzzedMs: { ...calm, p99: 10 }, lost: 0, doubled: 0, untold: 0, toldAgain: 0 },
  server: {
    calmHoldMs: 4,
    holdMs: 50,
    lagMs: 80,
    residentMiB: { before: 100, after: 300, peak: 768 },
    busy: 0.4,
    complaints: [],
    tenantsHalted: 0,
    internalErrors: 0,
  },
  fuzzed: {
    frames: { valid: 600, mutated: 400 },
    broken: [],
    attacks: { 'slow HELLO': { begun: 2, ended: 1, overdue: 0 }, bursts: { begun: 200, ended: 0, overdue: 0 } },
  },
  after: { served: true, findings: [], exitCode: 0 },
};
const bounds = { ...BOUNDS, frames: 1_000 };

const server = (changes: Partial<Figures['server']>): Figures => ({ ...GOOD, server: { ...GOOD.server, ...changes } });
const neighbour = (changes: Partial<Figures['neighbour']>): Figures => ({
  ...GOOD,
  neighbour: { ...GOOD.neighbour, ...changes },
});
const fuzzed = (changes: Partial<Figures['fuzzed']>): Figures => ({ ...GOOD, fuzzed: { ...GOOD.fuzzed, ...changes } });
const after = (changes: Partial<Figures['after']>): Figures => ({ ...GOOD, after: { ...GOOD.after, ...changes } });

describe('the verdict of a fuzzed server', () => {
  it('is good at every bound', () => {
    expect(missed(GOOD, bounds)).toEqual([]);
  });

  it.each<readonly [string, Figures, RegExp]>([
    ['a crash', server({ crashed: 'ended with SIGSEGV' }), /SIGSEGV/],
    ['a complaint', server({ complaints: ['unhandled rejection'] }), /unhandled rejection/],
    ['a halted tenant', server({ tenantsHalted: 1 }), /halted/],
    ['an internal error', server({ internalErrors: 1 }), /INTERNAL/],
    ['a held event loop', server({ holdMs: 50.1 }), /held for 50.1 ms/],
    ['a hold that is no number', server({ holdMs: Number.NaN }), /held/],
    ['too much memory', server({ residentMiB: { before: 1, after: 1, peak: 769 } }), /769 MiB/],
    ['a slow neighbour', neighbour({ fuzzedMs: { ...calm, p99: 10.1 } }), /p99 rose from 5 to 10.1 ms/],
    ['a p99 that is no number', neighbour({ calmMs: { ...calm, p99: Number.NaN } }), /p99/],
    ['few samples', neighbour({ calmMs: { ...calm, samples: 999 } }), /only 999 tasks/],
    ['a lost task', neighbour({ lost: 1 }), /1 tasks of the neighbour were lost/],
    ['a task done twice', neighbour({ doubled: 1 }), /executed again/],
    ['an end that was not told', neighbour({ untold: 1 }), /not told/],
    ['an end that was told twice', neighbour({ toldAgain: 1 }), /told again/],
    ['too few frames', fuzzed({ frames: { valid: 999 } }), /only 999 of 1000 frames/],
    ['a broken promise', fuzzed({ broken: ['request 1 was answered twice'] }), /answered twice/],
    ['an attacker that is let', fuzzed({ attacks: { slow: { begun: 2, ended: 1, overdue: 1 } } }), /not ended in time/],
    ['an attacker that nobody ended', fuzzed({ attacks: { slow: { begun: 1, ended: 0, overdue: 0 } } }), /no attacker/],
    ['no attacker', fuzzed({ attacks: {} }), /nothing attacked/],
    ['a server that serves nobody', after({ served: false }), /not served/],
    ['a finding', after({ findings: ['error LOAD'] }), /error LOAD/],
    ['a stop that fails', after({ exitCode: 1 }), /code 1/],
    ['a stop that is killed', after({ exitCode: null }), /code null/],
  ])('%s is missed', (_name, figures, words) => {
    const found = missed(figures, bounds);
    expect(found).toHaveLength(1);
    expect(found[0]).toMatch(words);
  });
});
