/** Whose address a connection has that came by a proxy: `X-Forwarded-For` is believed only if a proxy that we know wrote it. */
import { BlockList, isIP } from 'node:net';
import { plainAddress } from '../base/address.ts';

/** The address of a peer, given that of its socket and the header as it came. */
export type ClientAddress = (peer: string, forwarded: string | undefined) => string;

/** Names in the header that are looked at, from the end. */
const HOPS_MAX = 16;

/** What of these texts is neither an address nor a network (`10.0.0.0/8`). */
export function faultyProxies(proxies: readonly string[]): readonly string[] {
  return proxies.filter((text) => parse(text) === undefined);
}

/** `proxies`: addresses and networks that are believed. */
export function clientAddress(proxies: readonly string[]): ClientAddress {
  if (proxies.length === 0) return plainAddress;
  const known = new BlockList();
  for (const text of proxies) {
    const network = parse(text);
    if (network !== undefined) known.addSubnet(network.address, network.bits, network.family);
  }
  const trusted = (address: string): boolean => known.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4');
  return (peer, forwarded) => {
    let address = plainAddress(peer);
    if (forwarded === undefined || isIP(address) === 0) return address;
    // Each proxy adds whom it got the request from at the end: what stands before the first that we do not know is hearsay.
    const hops = forwarded.split(',').slice(-HOPS_MAX);
    for (const hop of hops.toReversed()) {
      if (!trusted(address)) return address;
      const before = addressIn(hop.trim());
      if (isIP(before) === 0) return address;
      address = before;
    }
    return address;
  };
}

/** Some proxies write the port of the peer behind its address, and IPv6 in brackets then. */
function addressIn(hop: string): string {
  const [, bare] = /^\[([^\]]*)\](?::\d{1,5})?$/.exec(hop) ?? /^([\d.]+):\d{1,5}$/.exec(hop) ?? [];
  return plainAddress(bare ?? hop);
}

function parse(
  text: string,
): { readonly address: string; readonly bits: number; readonly family: 'ipv4' | 'ipv6' } | undefined {
  const [address = '', bits, ...rest] = text.split('/');
  const version = isIP(address);
  if (version === 0 || rest.length > 0) return undefined;
  const most = version === 6 ? 128 : 32;
  const wanted = bits === undefined ? most : /^\d{1,3}$/.test(bits) ? Number(bits) : -1;
  if (wanted < 0 || wanted > most) return undefined;
  return { address, bits: wanted, family: version === 6 ? 'ipv6' : 'ipv4' };
}
