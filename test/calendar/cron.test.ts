/** Cron expressions across changes of the clock. Instants are written in UTC. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { must } from '../../src/base/assert.ts';
import { parseCron, type CronJob } from '../../src/calendar/cron.ts';
import { Zones } from '../../src/calendar/zone.ts';

const zones = new Zones();

function job(cron: string, zone: string): CronJob {
  const made = parseCron(cron, must(zones.get(zone), 'a known zone'));
  if (typeof made === 'string') throw new Error(made);
  return made;
}

function instants(cron: string, zone: string, from: string, count: number): string[] {
  const found: string[] = [];
  let at: number | undefined = Date.parse(`${from}Z`);
  for (let n = 0; n < count; n += 1) {
    at = job(cron, zone).next(at);
    if (at === undefined) break;
    found.push(new Date(at).toISOString().slice(0, 16));
  }
  return found;
}

interface Row {
  readonly name: string;
  readonly cron: string;
  readonly zone: string;
  readonly from: string;
  readonly at: readonly string[];
}

const ROWS: readonly Row[] = [
  {
    name: 'a time that is left out comes as much later (Berlin, 02:30)',
    cron: '30 2 * * *',
    zone: 'Europe/Berlin',
    from: '2026-03-27T12:00',
    at: ['2026-03-28T01:30', '2026-03-29T01:30', '2026-03-30T00:30'],
  },
  {
    name: 'a time that is repeated comes once, the first time (Berlin, 02:30)',
    cron: '30 2 * * *',
    zone: 'Europe/Berlin',
    from: '2026-10-24T12:00',
    at: ['2026-10-25T00:30', '2026-10-26T01:30'],
  },
  {
    name: 'every half hour goes on through the hour that is left out (Berlin)',
    cron: '*/30 * * * *',
    zone: 'Europe/Berlin',
    from: '2026-03-29T00:10',
    at: ['2026-03-29T00:30', '2026-03-29T01:00', '2026-03-29T01:30', '2026-03-29T02:00'],
  },
  {
    name: 'every half hour goes on through the hour that is repeated (Berlin)',
    cron: '*/30 * * * *',
    zone: 'Europe/Berlin',
    from: '2026-10-24T23:45',
    at: ['2026-10-25T00:00', '2026-10-25T00:30', '2026-10-25T01:00', '2026-10-25T01:30', '2026-10-25T02:00'],
  },
  {
    name: 'every two hours keeps to the clock (Berlin, spring)',
    cron: '0 */2 * * *',
    zone: 'Europe/Berlin',
    from: '2026-03-28T22:30',
    at: ['2026-03-28T23:00', '2026-03-29T02:00', '2026-03-29T04:00'],
  },
  {
    name: 'a time that is left out (New York, 02:00)',
    cron: '0 2 * * *',
    zone: 'America/New_York',
    from: '2026-03-07T12:00',
    at: ['2026-03-08T07:00', '2026-03-09T06:00'],
  },
  {
    name: 'a time that is repeated (New York, 01:30)',
    cron: '30 1 * * *',
    zone: 'America/New_York',
    from: '2026-10-31T12:00',
    at: ['2026-11-01T05:30', '2026-11-02T06:30'],
  },
  {
    name: 'working days do not care (New York, 09:00)',
    cron: '0 9 * * MON-FRI',
    zone: 'America/New_York',
    from: '2026-03-06T00:00',
    at: ['2026-03-06T14:00', '2026-03-09T13:00'],
  },
  {
    name: 'half an hour that is left out (Lord Howe, 02:15)',
    cron: '15 2 * * *',
    zone: 'Australia/Lord_Howe',
    from: '2026-10-02T20:00',
    at: ['2026-10-03T15:45', '2026-10-04T15:15'],
  },
  {
    name: 'half an hour that is repeated (Lord Howe, 01:45)',
    cron: '45 1 * * *',
    zone: 'Australia/Lord_Howe',
    from: '2026-04-03T20:00',
    at: ['2026-04-04T14:45', '2026-04-05T15:15'],
  },
  {
    name: 'a quarter of an hour goes on (Lord Howe, autumn)',
    cron: '*/15 * * * *',
    zone: 'Australia/Lord_Howe',
    from: '2026-04-04T14:20',
    at: ['2026-04-04T14:30', '2026-04-04T14:45', '2026-04-04T15:00', '2026-04-04T15:15', '2026-04-04T15:30'],
  },
  {
    name: 'what is put off does not overtake (Lord Howe, 02:15 and 02:31)',
    cron: '15,31 2 * * *',
    zone: 'Australia/Lord_Howe',
    from: '2026-10-03T12:00',
    at: ['2026-10-03T15:31', '2026-10-03T15:45', '2026-10-04T15:15'],
  },
  {
    name: 'leap days',
    cron: '0 0 29 2 *',
    zone: 'UTC',
    from: '2026-01-01T00:00',
    at: ['2028-02-29T00:00', '2032-02-29T00:00'],
  },
  { name: 'a day that is not', cron: '0 0 31 2 *', zone: 'UTC', from: '2026-01-01T00:00', at: [] },
  { name: 'nicknames', cron: '@daily', zone: 'Asia/Kolkata', from: '2026-01-01T00:00', at: ['2026-01-01T18:30'] },
  {
    name: 'the last day of a month',
    cron: '0 0 L * *',
    zone: 'UTC',
    from: '2026-02-01T00:00',
    at: ['2026-02-28T00:00'],
  },
];

describe('an expression by the clock of a zone', () => {
  it.each(ROWS)('$name', ({ cron, zone, from, at }) => {
    expect(instants(cron, zone, from, Math.max(1, at.length))).toEqual(at);
  });

  it('may have seconds', () => {
    expect(job('*/20 * * * * *', 'UTC').next(Date.parse('2026-01-01T00:00:10Z'))).toBe(
      Date.parse('2026-01-01T00:00:20Z'),
    );
    expect(job('* * * * * *', 'UTC').next(Date.parse('2026-01-01T00:00:10.999Z'))).toBe(
      Date.parse('2026-01-01T00:00:11Z'),
    );
  });

  it.each([
    ['61 * * * *', /minute/],
    ['* * * *', /five fields/],
    ['* * * * * * 2030', /five fields/],
    ['2030-01-01T00:00:00', /five fields/],
    ['*/0 * * * *', /stepping/],
    ['@reboot', /five fields/],
    ['H H * * *', /illegal/],
  ])('says what is wrong with %s', (cron, reason) => {
    expect(parseCron(cron, must(zones.get('UTC'), 'UTC'))).toMatch(reason);
  });

  it('knows no zone that is none', () => {
    expect(zones.get('Europe/Nowhere')).toBeUndefined();
  });
});

const ZONES = [
  'Europe/Berlin',
  'America/New_York',
  'Australia/Lord_Howe',
  'UTC',
  'Africa/Casablanca',
  'Asia/Kathmandu',
] as const;
const DAY = 86_400_000;

describe('whatever the zone', () => {
  it('instants rise, and none is passed over', () => {
    const crons = ['*/17 * * * *', '30 2 * * *', '0,20,40 1-3 * * *', '5 */3 * * *', '10 0 * * SUN'];
    fc.assert(
      fc.property(
        fc.constantFrom(...crons),
        fc.constantFrom(...ZONES),
        fc.integer({ min: 0, max: 365 * 24 * 60 }),
        (cron, zone, minute) => {
          const next = (after: number): number | undefined => job(cron, zone).next(after);
          const from = Date.parse('2026-01-01T00:00:00Z') + minute * 60_000;
          const at = must(next(from), 'an instant');
          expect(at).toBeGreaterThan(from);
          expect(at).toBeLessThan(from + 8 * DAY);
          // From anywhere before it, it is the next one too.
          expect(next(from + Math.floor((at - from) / 2))).toBe(at);
          expect(next(at - 1)).toBe(at);
        },
      ),
      { numRuns: 300 },
    );
  });

  it('a job with a fixed hour runs once for each of its local times', () => {
    for (const zone of ZONES) {
      for (const cron of ['30 2 * * *', '0 2,3 * * *', '45 1 * * *']) {
        const perDay = cron.includes(',') ? 2 : 1;
        const made = job(cron, zone);
        const next = (after: number): number | undefined => made.next(after);
        const [from, to] = [Date.parse('2026-01-15T12:00:00Z'), Date.parse('2026-12-15T12:00:00Z')];
        const seen: number[] = [];
        for (let at = next(from); at !== undefined && at <= to; at = next(at)) seen.push(at);
        const days = Math.round((to - from) / DAY);
        // What is put off onto another time of the job is one with it: 02:00 and 03:00 in spring.
        const merged =
          cron === '0 2,3 * * *' && ['Europe/Berlin', 'America/New_York', 'Africa/Casablanca'].includes(zone) ? 1 : 0;
        expect(seen.length, `${cron} ${zone}`).toBe(days * perDay - merged);
      }
    }
  });
});
