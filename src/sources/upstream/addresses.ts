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
// Teredo (RFC 4380) hides the IPv4 address it ends at.
never.addSubnet('2001::', 32, 'ipv6');

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
// Site-local, deprecated and still routed here and there (RFC 3879).
privateRanges.addSubnet('fec0::', 10, 'ipv6');

const parse = (text: string): number[] =>
  text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16));

/** The eight groups of an IPv6 address in any spelling. */
const groupsOf = (address: string): number[] => {
  // The WHATWG URL parser writes every spelling in one form, without dotted decimals.
  const canonical = new URL(`http://[${address.split('%')[0] ?? ''}]/`).hostname.slice(1, -1);
  const [left = '', right] = canonical.split('::');
  if (right === undefined) return parse(left);
  const [head, tail] = [parse(left), parse(right)];
  return [...head, ...Array.from({ length: 8 - head.length - tail.length }, () => 0), ...tail];
};

const ipv4 = (high = 0, low = 0): string => [high >> 8, high & 255, low >> 8, low & 255].join('.');

/** Bits 64 to 71 of an address in NAT64 form are zero, so the IPv4 address goes on behind them (RFC 6052 §2.2). */
const translated = (d = 0, e = 0, f = 0, g = 0): readonly string[] => [
  ipv4(d, ((e & 255) << 8) | (f >> 8)),
  ipv4(((d & 255) << 8) | (e & 255), f),
  ipv4(((e & 255) << 8) | (f >> 8), ((f & 255) << 8) | (g >> 8)),
];

/**
 * The IPv4 addresses a connection may end at, where an IPv6 address carries one: compatible, mapped, translated
 * (RFC 4291 §2.5.5, RFC 2765), NAT64 (RFC 6052), 6to4 (RFC 3056) and ISATAP (RFC 5214).
 *
 * The prefix for local use, 64:ff9b:1::/48 (RFC 8215), does not tell where in it the IPv4 address is, so every place
 * counts; but not one that gives 0.0.0.0/8, which is what the zeros of another place look like.
 */
const embedded = (groups: readonly number[]): readonly string[] => {
  const [a, b, c, d, e, f, g, h] = groups;
  const last = ipv4(g, h);
  if (a === 0x2002) return [ipv4(b, c)];
  if (a === 0x64 && b === 0xff9b && c === 0) return [last];
  if (a === 0x64 && b === 0xff9b && c === 1)
    return [last, ...translated(d, e, f, g).filter((address) => !address.startsWith('0.'))];
  if ((e === 0 || e === 0x200) && f === 0x5efe) return [last];
  if (a !== 0 || b !== 0 || c !== 0 || d !== 0) return [];
  const carries = (e === 0 && (f === 0 || f === 0xffff)) || (e === 0xffff && f === 0);
  // `::` and `::1` are addresses of their own.
  return carries && !(f === 0 && e === 0 && g === 0 && (h ?? 0) <= 1) ? [last] : [];
};

/** The addresses that policy is about: this one, and those it carries. */
const meant = (address: string): readonly string[] =>
  net.isIPv6(address) ? [address.split('%')[0] ?? '', ...embedded(groupsOf(address))] : [address];

/** Whether a connection to this address may be made. Names are not addresses: check what they resolve to. */
export const addressAllowed = (address: string, blockPrivate: boolean): boolean =>
  meant(address).every((plain) => {
    const family = net.isIPv6(plain) ? 'ipv6' : 'ipv4';
    return !never.check(plain, family) && !(blockPrivate && privateRanges.check(plain, family));
  });

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
