import dns from 'node:dns';
import * as fc from 'fast-check';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { addressAllowed, guardedLookup, literalBlocked } from '../../../src/sources/upstream/addresses.ts';
import { FakeUpstream, ok } from '../../fakes/upstream.ts';
import { attempt, codeOf } from './requester.ts';

const neverAllowed = [
  '169.254.169.254',
  '169.254.0.1',
  '100.100.100.200',
  '0.0.0.0',
  '0.1.2.3',
  '224.0.0.1',
  '239.255.255.255',
  '255.255.255.255',
  '::',
  'fe80::1',
  'fe80::1%eth0',
  'fd00:ec2::254',
  'FD00:0EC2:0:0:0:0:0:0254',
  'ff02::1',
  '::ffff:169.254.169.254',
  '::ffff:a9fe:a9fe',
  '0:0:0:0:0:ffff:a9fe:a9fe',
  '::ffff:0.0.0.0',
  '64:ff9b::169.254.169.254',
  '64:ff9b::a9fe:a9fe',
  '64:ff9b::6464:64c8',
  '::169.254.169.254',
  '::ffff:0:a9fe:a9fe',
  '64:ff9b:1::a9fe:a9fe',
  '2002:a9fe:a9fe::',
  '2001:0:4136:e378:8000:63bf:3fff:fdd2',
  // The IPv4 address at bit 48, 56 and 64 of the NAT64 prefix for local use, whatever follows it.
  '64:ff9b:1:a9fe:a9:fe00::',
  '64:ff9b:1:a9fe:a9:fe00:808:808',
  '64:ff9b:1:a9:fe:a9fe:808:808',
  '64:ff9b:1:abcd:a9:fea9:fe08:808',
  '64:ff9b:1:abcd:ef01:2345:a9fe:a9fe',
  // ISATAP
  'fd12::5efe:169.254.169.254',
  '2001:db8::200:5efe:169.254.169.254',
];
const onlyPublic = [
  '10.0.0.1',
  '100.64.0.1',
  '127.0.0.1',
  '127.255.0.1',
  '172.16.0.1',
  '172.31.255.255',
  '192.168.1.1',
  '::1',
  'fc00::1',
  'fd12:3456::1',
  '::ffff:10.0.0.1',
  '64:ff9b::10.0.0.1',
  '::127.0.0.1',
  '2002:7f00:1::',
  'fec0::1',
  '64:ff9b:1:a00:0:100:808:808',
  '2001:db8::5efe:10.0.0.1',
  '2001:db8:1:2:200:5efe:c0a8:101',
  'fd12::5efe:8.8.8.8',
];
const everywhere = [
  '8.8.8.8',
  '172.32.0.1',
  '100.128.0.1',
  '2001:db8::1',
  '::ffff:8.8.8.8',
  '64:ff9b::8.8.8.8',
  '64:ff9b:1::8.8.8.8',
  '2001:db8::5efe:8.8.8.8',
  '2001:db8::200:5efe:8.8.8.8',
];

describe('which addresses a connection may go to', () => {
  test.each(neverAllowed)('%s: never', (address) => {
    expect(addressAllowed(address, false)).toBe(false);
    expect(addressAllowed(address, true)).toBe(false);
  });

  test.each(onlyPublic)('%s: unless private ranges are blocked', (address) => {
    expect(addressAllowed(address, false)).toBe(true);
    expect(addressAllowed(address, true)).toBe(false);
  });

  test.each(everywhere)('%s: always', (address) => {
    expect(addressAllowed(address, true)).toBe(true);
  });

  test('an IPv4 address is judged alike in each of its IPv6 disguises', () => {
    fc.assert(
      fc.property(fc.ipV4(), fc.boolean(), (address, blockPrivate) => {
        const verdict = addressAllowed(address, blockPrivate);
        const hex = address.split('.').map((part) => Number(part).toString(16).padStart(2, '0'));
        const groups = `${hex[0]}${hex[1]}:${hex[2]}${hex[3]}`;
        for (const disguise of [
          `::ffff:${address}`,
          `64:ff9b::${address}`,
          `::ffff:${groups}`,
          `64:ff9b::${groups}`,
          `64:ff9b:1::${groups}`,
          `::ffff:0:${groups}`,
          `2002:${groups}::1`,
        ]) {
          expect(addressAllowed(disguise, blockPrivate)).toBe(verdict);
        }
      }),
    );
  });
});

describe('a URL that names an address', () => {
  test.each([
    'http://169.254.169.254/latest/meta-data/',
    'http://2852039166/',
    'http://0xa9fea9fe/',
    'http://0251.0376.0251.0376/',
    'http://169.254.43518/',
    'http://[::ffff:169.254.169.254]/',
    'http://[64:ff9b::a9fe:a9fe]/',
    'http://[fd00:ec2::254]/',
    'http://0/',
  ])('%s is refused before anything is sent', async (url) => {
    expect(literalBlocked(new URL(url), false)?.code).toBe('address_blocked');
    expect(codeOf(await attempt(new URL(url), { allowInsecureHttp: true }))).toBe('address_blocked');
  });

  test('a loopback upstream is refused when private addresses are', async () => {
    const upstream = await FakeUpstream.start({ handler: ok({ keys: [] }) });
    try {
      expect(codeOf(await attempt(upstream.url(), { blockPrivateAddresses: true }))).toBe('address_blocked');
      const named = new URL(`http://localhost:${upstream.port}/`);
      expect(codeOf(await attempt(named, { blockPrivateAddresses: true }))).toBe('address_blocked');
      expect(upstream.accepted).toBe(0);
      expect(codeOf(await attempt(named))).toBe('ok');
    } finally {
      await upstream.close();
    }
  });
});

type Answer = { address: string; family: number }[];
const v4 = (address: string): Answer[0] => ({ address, family: 4 });
const v6 = (address: string): Answer[0] => ({ address, family: 6 });

const look = async (all: boolean): Promise<unknown> =>
  await new Promise((resolve) => {
    guardedLookup(false)('keys.example.org', { all }, (error, address, family) =>
      resolve(error === null ? (all ? address : [address, family]) : error.code),
    );
  });

/** Lets the resolver of the machine give these answers, one after another. */
const resolving = (...answers: readonly Answer[]): void => {
  let n = 0;
  vi.spyOn(dns, 'lookup').mockImplementation(((
    _name: string,
    _options: object,
    callback: (error: null, addresses: Answer) => void,
  ) => {
    callback(null, answers[Math.min(n, answers.length - 1)] ?? []);
    n += 1;
  }) as unknown as typeof dns.lookup);
};

describe('a name', () => {
  afterEach(() => void vi.restoreAllMocks());

  test('that resolves to a metadata address is refused', async () => {
    resolving([v4('169.254.169.254')]);
    expect(await look(true)).toBe('ERR_JWKSD_ADDRESS');
    expect(await look(false)).toBe('ERR_JWKSD_ADDRESS');
    resolving([v6('::ffff:169.254.169.254')]);
    expect(await look(true)).toBe('ERR_JWKSD_ADDRESS');
    expect(codeOf(await attempt(new URL('https://keys.example.org/')))).toBe('address_blocked');
  });

  test('that resolves to good and bad addresses is connected to at the good ones only', async () => {
    resolving([v4('169.254.169.254'), v4('192.0.2.1'), v6('fe80::1'), v6('2001:db8::1')]);
    expect(await look(true)).toEqual([v4('192.0.2.1'), v6('2001:db8::1')]);
    expect(await look(false)).toEqual(['192.0.2.1', 4]);
  });

  test('that rebinds is judged again by every attempt, on what the socket will use', async () => {
    const upstream = await FakeUpstream.start({ handler: ok({ keys: [] }) });
    try {
      resolving([v4('127.0.0.1')], [v4('169.254.169.254')], [v4('127.0.0.1')]);
      const url = new URL(`http://keys.example.org:${upstream.port}/`);
      const code = async (): Promise<string> => codeOf(await attempt(url, { allowInsecureHttp: true }));
      expect([await code(), await code(), await code()]).toEqual(['ok', 'address_blocked', 'ok']);
      expect(upstream.requests).toHaveLength(2);
    } finally {
      await upstream.close();
    }
  });

  test('with a dead address first is reached at the other', async () => {
    const upstream = await FakeUpstream.start({ handler: ok({ keys: [] }) });
    try {
      resolving([v6('::1'), v4('127.0.0.1')]);
      const url = new URL(`http://keys.example.org:${upstream.port}/`);
      expect(codeOf(await attempt(url, { allowInsecureHttp: true }))).toBe('ok');
    } finally {
      await upstream.close();
    }
  });
});
