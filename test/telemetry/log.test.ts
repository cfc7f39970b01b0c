import { describe, expect, it } from 'vitest';
import { createLog, type LogLevel } from '../../src/telemetry/index.ts';

function capture(level: LogLevel = 'debug') {
  const lines: string[] = [];
  const log = createLog({ level, to: { write: (line) => void lines.push(line) }, base: { node: 'n1' } });
  const last = () => JSON.parse(lines.at(-1) ?? 'null') as Record<string, unknown>;
  return { log, lines, last };
}

describe('a line of the log', () => {
  it('is one JSON object with time, level, event, base and fields', () => {
    const { log, lines, last } = capture();
    log.info('session opened', { session: 's1', frames: 3, resumed: true });
    expect(lines).toHaveLength(1);
    expect(lines[0]?.endsWith('\n')).toBe(true);
    expect(last()).toMatchObject({
      level: 'info',
      event: 'session opened',
      node: 'n1',
      session: 's1',
      frames: 3,
      resumed: true,
    });
    expect(new Date(String(last()['time'])).getFullYear()).toBeGreaterThan(2000);
  });

  it('is written from its level on', () => {
    const { log, lines } = capture('warn');
    log.debug('a');
    log.info('b');
    log.warn('c');
    log.error('d');
    expect(lines.map((line) => (JSON.parse(line) as { event: string }).event)).toEqual(['c', 'd']);
    const silent = capture('silent');
    silent.log.error('e');
    expect(silent.lines).toEqual([]);
  });

  it('shows an error with its causes', () => {
    const { log, last } = capture();
    log.error('append failed', { error: new Error('disk', { cause: new Error('EIO') }) });
    expect(last()['error']).toMatchObject({ type: 'Error', message: 'disk', cause: { message: 'EIO' } });
    expect((last()['error'] as { stack: string }).stack).toContain('log.test.ts');
  });

  it('cannot be split by what a user chose', () => {
    const { log, lines, last } = capture();
    log.info('named', { name: 'a\n{"level":"error"}' });
    expect(lines).toHaveLength(1);
    expect(lines[0]?.trimEnd()).not.toContain('\n');
    expect(last()['name']).toBe('a\n{"level":"error"}');
  });
});

describe('a credential is never written', () => {
  const key = 'mu_team-7_k1a2-b3c4_0123456789abcdefghjkmnpqrstvwxyz';
  const jwt = 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl';

  it.each(['token', 'key', 'secret', 'auth', 'authorization', 'password', 'cookie'])('in the field %s', (name) => {
    const { log, lines } = capture();
    log.info('hello', { [name]: 'hunter2' });
    expect(lines[0]).not.toContain('hunter2');
    expect(lines[0]).toContain('[secret]');
  });

  it.each([
    ['an API key', key],
    ['a JSON Web Token', jwt],
  ])('%s in any text', (_, secret) => {
    const { log, lines } = capture();
    log.warn(`refused ${secret}`, { reason: `bad: "${secret}"` });
    log.error('failed', { error: new Error(`with ${secret}`, { cause: new Error(secret) }) });
    expect(lines.join('')).not.toContain(secret);
    expect(lines.every((line) => JSON.parse(line) !== null)).toBe(true);
    expect(lines[0]).toContain('refused [secret]');
  });
});
