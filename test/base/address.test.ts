import { describe, expect, test } from 'vitest';
import { addressGroup, hostAllowed, plainAddress } from '../../src/base/address.ts';

test.each([
  ['192.0.2.1', '192.0.2.1'],
  ['::ffff:192.0.2.1', '192.0.2.1'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['2001:db8:1:2::1', '2001:db8:1:2::/64'],
  ['2001:db8::1', '2001:db8:0:0::/64'],
  ['2001::1:2:3:4:5:6', '2001:0:1:2::/64'],
  ['::1', '0:0:0:0::/64'],
  ['fe80::1%eth0', 'fe80:0:0:0::/64'],
  ['::', '0:0:0:0::/64'],
  ['unknown', 'unknown'],
])('%s counts as %s', (address, group) => {
  expect(addressGroup(address)).toBe(group);
});

test('an address is plain already, or made so', () => {
  expect([plainAddress('::ffff:10.0.0.1'), plainAddress('::ffff:a00:1'), plainAddress('::1')]).toEqual([
    '10.0.0.1',
    '::ffff:a00:1',
    '::1',
  ]);
});

describe('hosts', () => {
  test.each([
    ['muster.example', true],
    ['muster.example:7420', true],
    ['MUSTER.example', true],
    ['[::1]:7420', true],
    ['exact.example:1', true],
    ['exact.example:2', false],
    ['evil.example', false],
    ['muster.example.evil.example', false],
    ['', false],
  ])('%s: %s', (host, allowed) => {
    expect(hostAllowed(host, ['muster.example', '[::1]', 'exact.example:1'])).toBe(allowed);
    expect(hostAllowed(host, [])).toBe(true);
  });
});
