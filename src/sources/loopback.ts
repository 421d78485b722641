import { BlockList, isIP } from 'node:net';

const loopback = new BlockList();
// Takes in the IPv6 addresses that stand for these (::ffff:127.0.0.0/104).
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('::1', 'ipv6');

/**
 * Whether a host name or address, as it is or in the brackets of a URL, is this machine alone.
 *
 * `localhost` and the names below it (RFC 6761 §6.3), 127.0.0.0/8 (RFC 1122 §3.2.1.3), also as IPv6, and `::1`. The
 * configuration is checked by a copy of this, because it imports nothing from here.
 */
export const isLoopback = (host: string): boolean => {
  const name = host.replace(/^\[(.*)\]$/u, '$1').toLowerCase();
  if (name === 'localhost' || name.endsWith('.localhost')) return true;
  const family = isIP(name);
  return family !== 0 && loopback.check(name, family === 4 ? 'ipv4' : 'ipv6');
};
