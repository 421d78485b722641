import { BlockList, isIP } from 'node:net';

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('::1', 'ipv6');

/**
 * Whether a host means this machine alone: `localhost` and names below it (RFC 6761 §6.3), 127.0.0.0/8, also as
 * `::ffff:127.0.0.1`, and `::1`; with or without brackets.
 */
export const isLoopback = (host: string): boolean => {
  const name = host.replace(/^\[(.*)\]$/u, '$1').toLowerCase();
  if (name === 'localhost' || name.endsWith('.localhost')) return true;
  const family = isIP(name);
  return family !== 0 && loopback.check(name, family === 4 ? 'ipv4' : 'ipv6');
};

/** Whether a text is an address, or an address with a prefix length that fits it. */
export const isCidr = (text: string): boolean => {
  const [address = '', prefix, ...more] = text.split('/');
  const family = isIP(address);
  if (family === 0 || more.length > 0) return false;
  return prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= (family === 4 ? 32 : 128));
};
