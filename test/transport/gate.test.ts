import { expect, test } from 'vitest';
import { LIMITS } from '../../protocol/wire/limits.ts';
import { memoryFuse } from '../../src/transport/fuse.ts';
import { Gate, type GateOptions } from '../../src/transport/gate.ts';
import { clientAddress, faultyProxies } from '../../src/transport/proxies.ts';

function gateOf(options: GateOptions): { readonly gate: Gate; readonly turned: string[] } {
  const turned: string[] = [];
  return { gate: new Gate({ onTurned: (why) => turned.push(why), ...options }), turned };
}

/** Asks, and enters if that is allowed. */
function come(gate: Gate, address: string): boolean {
  const refusal = gate.ask(address);
  if (refusal === undefined) gate.enter(address);
  else expect(refusal).toMatchObject({ status: 503, headers: { 'Retry-After': expect.stringMatching(/^[1-9]\d*$/) } });
  return refusal === undefined;
}

test('sockets of the node are bounded, and one that leaves makes room', () => {
  const { gate, turned } = gateOf({ limits: { sockets: 2 } });
  expect([come(gate, 'a'), come(gate, 'b'), come(gate, 'c')]).toEqual([true, true, false]);
  expect(turned).toEqual(['sockets']);
  gate.leave('a', true);
  expect(come(gate, 'c')).toBe(true);
});

test('sockets of an address are bounded; of IPv6 64 bits are one; others do not notice', () => {
  const { gate, turned } = gateOf({ limits: { ofAddress: 2 } });
  expect([come(gate, '192.0.2.1'), come(gate, '::ffff:192.0.2.1'), come(gate, '192.0.2.1')]).toEqual([
    true,
    true,
    false,
  ]);
  expect(come(gate, '192.0.2.2')).toBe(true);
  expect([come(gate, '2001:db8::1'), come(gate, '2001:db8::2'), come(gate, '2001:db8::3')]).toEqual([
    true,
    true,
    false,
  ]);
  expect(come(gate, '2001:db8:0:1::3')).toBe(true);
  expect(turned).toEqual(['address', 'address']);
});

test('who has shown who he is is no stranger', () => {
  const { gate, turned } = gateOf({ limits: { strangers: 3, strangersOfAddress: 2 } });
  expect([come(gate, 'a'), come(gate, 'a'), come(gate, 'a'), come(gate, 'b'), come(gate, 'c')]).toEqual([
    true,
    true,
    false,
    true,
    false,
  ]);
  expect(turned).toEqual(['strangers', 'strangers']);
  gate.greeted('a');
  expect(gate.strangers).toBe(2);
  expect([come(gate, 'a'), come(gate, 'a')]).toEqual([true, false]);
  gate.leave('a', false);
  expect(gate.strangers).toBe(3);
  gate.leave('b', true);
  expect([gate.open, gate.strangers]).toEqual([2, 2]);
});

test('a rate says when to come again, in whole seconds', () => {
  const { gate, turned } = gateOf({ rate: (address) => (address === 'slow' ? 1_001 : 0) });
  expect(gate.ask('other')).toBeUndefined();
  expect(gate.ask('slow')?.headers).toEqual({ 'Retry-After': '2' });
  expect(turned).toEqual(['rate']);
});

test('0 is no bound; the defaults are those of the protocol', () => {
  const { gate } = gateOf({ limits: { sockets: 0, ofAddress: 0, strangers: 0, strangersOfAddress: 0 } });
  for (let i = 0; i < LIMITS.connectionsMax + 10; i += 1) gate.enter('a');
  expect(gate.ask('a')).toBeUndefined();
  const { gate: standard } = gateOf({});
  for (let i = 0; i < LIMITS.connections.strangersOfAddress; i += 1) expect(come(standard, 'a')).toBe(true);
  expect(come(standard, 'a')).toBe(false);
  for (let i = 0; i < LIMITS.connections.strangers; i += 1) {
    if (i < LIMITS.connections.strangersOfAddress) standard.greeted('a');
  }
  for (let i = LIMITS.connections.strangersOfAddress; i < LIMITS.connections.address; i += 1) {
    expect(come(standard, 'a')).toBe(true);
    standard.greeted('a');
  }
  expect(come(standard, 'a')).toBe(false);
});

test('with little memory left nobody new is let in; it is looked at once a second', () => {
  let now = 0;
  let looks = 0;
  let usedBytes = 50;
  const short = memoryFuse({
    residentBytesMax: 0,
    residentBytes: () => 1_000,
    mono: () => now,
    heap: () => {
      looks += 1;
      return { usedBytes, limitBytes: 100 };
    },
  });
  const { gate, turned } = gateOf({ short });
  expect(come(gate, 'a')).toBe(true);
  usedBytes = 95;
  expect(come(gate, 'a')).toBe(true);
  now += 1_000;
  expect([come(gate, 'a'), come(gate, 'a')]).toEqual([false, false]);
  expect([looks, turned]).toEqual([2, ['memory', 'memory']]);
  usedBytes = 50;
  now += 1_000;
  expect(come(gate, 'a')).toBe(true);
});

test('resident memory counts where a bound is given; the heap of this process is far from its limit', () => {
  const short = (residentBytesMax: number): boolean =>
    memoryFuse({ residentBytesMax, residentBytes: () => 1_001, mono: () => 0 })();
  expect([short(1_000), short(1_001), short(0)]).toEqual([true, false, false]);
});

test('X-Forwarded-For is believed of proxies that are known, and of nobody else', () => {
  const of = clientAddress(['10.0.0.0/8', '::1', '192.0.2.7']);
  expect(of('203.0.113.9', '198.51.100.1')).toBe('203.0.113.9');
  expect(of('10.1.2.3', '198.51.100.1')).toBe('198.51.100.1');
  expect(of('::ffff:10.1.2.3', '198.51.100.1')).toBe('198.51.100.1');
  expect(of('::1', '2001:db8::5')).toBe('2001:db8::5');
  // What the client itself wrote stands in front.
  expect(of('10.1.2.3', '127.0.0.1, 198.51.100.1, 192.0.2.7')).toBe('198.51.100.1');
  expect(of('10.1.2.3', 'nobody')).toBe('10.1.2.3');
  expect(of('10.1.2.3', '198.51.100.1, nobody')).toBe('10.1.2.3');
  expect(of('10.1.2.3', undefined)).toBe('10.1.2.3');
  expect(of('unknown', '198.51.100.1')).toBe('unknown');
  expect(of('10.1.2.3', '10.9.9.9,'.repeat(100_000))).toBe('10.1.2.3');
  expect(clientAddress([])('10.1.2.3', '198.51.100.1')).toBe('10.1.2.3');
});

test('an entry of X-Forwarded-For may have a port, which is not of the address', () => {
  const of = clientAddress(['10.0.0.0/8', '::1']);
  expect(of('10.1.2.3', '198.51.100.1:4711')).toBe('198.51.100.1');
  expect(of('10.1.2.3', '192.0.2.1, 198.51.100.1:4711, 10.9.9.9:80')).toBe('198.51.100.1');
  expect(of('::1', '[2001:db8::1]:4711')).toBe('2001:db8::1');
  expect(of('::1', '[2001:db8::1]')).toBe('2001:db8::1');
  expect(of('::1', '[::ffff:198.51.100.1]:4711')).toBe('198.51.100.1');
  // The last four digits are no port without brackets.
  expect(of('::1', '2001:db8::1:4711')).toBe('2001:db8::1:4711');
  for (const faulty of [
    '198.51.100.1:',
    '198.51.100.1:http',
    '198.51.100.1:123456',
    '[2001:db8::1',
    '[]:1',
    '[nobody]:1',
  ])
    expect(of('10.1.2.3', faulty)).toBe('10.1.2.3');
});

test('a proxy is an address or a network', () => {
  expect(faultyProxies(['10.0.0.0/8', '::1', 'fe80::/10', '192.0.2.1/32'])).toEqual([]);
  const faulty = ['proxy.example', '10.0.0.0/33', '10.0.0.0/', '10.0.0.0/8/8', '', '::/129', '10.0.0.0/-1'];
  expect(faultyProxies(faulty)).toEqual(faulty);
});
