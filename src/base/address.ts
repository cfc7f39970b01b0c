/** Names of peers and hosts: IP addresses as the system writes them (plain IPv4, compressed IPv6), and Host. */

/** An IPv4 address that came by an IPv6 socket is written as what it is. */
export function plainAddress(address: string): string {
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address;
}

/**
 * Whose address it is, for limits: an IPv4 address is its own group, of an IPv6 address the first 64 bits are, since one
 * subscriber has all of those.
 */
export function addressGroup(address: string): string {
  const plain = plainAddress(address);
  if (!plain.includes(':')) return plain;
  const [bare = ''] = plain.split('%', 1);
  const [before = '', after] = bare.split('::', 2);
  const head = before === '' ? [] : before.split(':');
  const tail = after === undefined || after === '' ? [] : after.split(':');
  const zeros = Array.from({ length: Math.max(0, 8 - head.length - tail.length) }, () => '0');
  return `${[...head, ...zeros, ...tail].slice(0, 4).join(':')}::/64`;
}

/** Whether a request may name this host, with or without a port; `hosts` in small letters, none: any. */
export function hostAllowed(host: string, hosts: readonly string[]): boolean {
  if (hosts.length === 0) return true;
  const name = host.toLowerCase();
  return hosts.includes(name) || hosts.includes(name.replace(/:\d+$/, ''));
}
