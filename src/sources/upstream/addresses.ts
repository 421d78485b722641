import dns from 'node:dns';
import net from 'node:net';
import { failure, type Failure } from './failure.ts';

/** Never a key server: link-local with its metadata services, "this network", multicast (RFC 6890). */
const never = new net.BlockList();
never.addSubnet('0.0.0.0', 8, 'ipv4');
never.addSubnet('169.254.0.0', 16, 'ipv4');
never.addAddress('100.100.100.200', 'ipv4');
never.addSubnet('224.0.0.0', 4, 'ipv4');
never.addAddress('255.255.255.255', 'ipv4');
never.addAddress('::', 'ipv6');
never.addSubnet('fe80::', 10, 'ipv6');
never.addAddress('fd00:ec2::254', 'ipv6');
never.addSubnet('ff00::', 8, 'ipv6');

/** Refused on top when the operator says that the upstream is on the public Internet. */
const privateRanges = new net.BlockList();
for (const [address, bits] of [
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
] as const) {
  privateRanges.addSubnet(address, bits, 'ipv4');
}
privateRanges.addAddress('::1', 'ipv6');
privateRanges.addSubnet('fc00::', 7, 'ipv6');

/** The IPv4 address inside a mapped (`::ffff:a.b.c.d`) or NAT64 (`64:ff9b::a.b.c.d`, RFC 6052) address, else the address. */
const unwrap = (address: string): string => {
  if (!net.isIPv6(address)) return address;
  // The WHATWG URL parser writes every spelling of an IPv6 address in one form.
  const canonical = new URL(`http://[${address.split('%')[0] ?? ''}]/`).hostname.slice(1, -1);
  const match = /^(?:::ffff:|64:ff9b::)(?:([0-9a-f]{1,4}):)?([0-9a-f]{1,4})$/u.exec(canonical);
  if (match === null) return canonical;
  const high = Number.parseInt(match[1] ?? '0', 16);
  const low = Number.parseInt(match[2] ?? '0', 16);
  return [high >> 8, high & 255, low >> 8, low & 255].join('.');
};

/** Whether a connection to this address may be made. Names are not addresses: check what they resolve to. */
export const addressAllowed = (address: string, blockPrivate: boolean): boolean => {
  const plain = unwrap(address);
  const family = net.isIPv6(plain) ? 'ipv6' : 'ipv4';
  return !never.check(plain, family) && !(blockPrivate && privateRanges.check(plain, family));
};

const blocked = (host: string): Error & { code: string } =>
  Object.assign(new Error(`${host} is an address no upstream may have`), { code: 'ERR_JWKSD_ADDRESS' });

/**
 * A `lookup` for sockets that hands out allowed addresses only.
 *
 * The socket connects to exactly what this returns, so a name that rebinds between a check and the connection gains
 * nothing.
 */
export const guardedLookup =
  (blockPrivate: boolean): net.LookupFunction =>
  (hostname, options, callback) => {
    dns.lookup(hostname, { ...options, all: true }, (error, addresses) => {
      if (error !== null) return callback(error, []);
      const allowed = addresses.filter(({ address }) => addressAllowed(address, blockPrivate));
      const [first] = allowed;
      if (first === undefined) return callback(blocked(hostname), []);
      if (options.all === true) return callback(null, allowed);
      return callback(null, first.address, first.family);
    });
  };

/** Refuses a URL whose host is itself an address that is not allowed: sockets do not look those up. */
export const literalBlocked = (url: URL, blockPrivate: boolean): Failure | undefined => {
  const host = url.hostname.replace(/^\[|\]$/gu, '');
  if (net.isIP(host) === 0 || addressAllowed(host, blockPrivate)) return undefined;
  return failure('address_blocked', `${host} is an address no upstream may have`);
};
