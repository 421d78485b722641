import { once } from 'node:events';
import net, { type AddressInfo, type Socket } from 'node:net';
import { assert, constantFrom, oneof, property, string } from 'fast-check';
import { EqualityFilter, FilterParser } from 'ldapts';
import { describe, expect, test } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import {
  escapeFilterValue,
  LdapGroups,
  type LdapOptions,
} from '../../../src/tokens/validation/ldap-groups.ts';
import { tlv } from '../../fakes/certificate.ts';
import { eventually } from '../../fakes/jwksd.ts';

/** A server that does with each connection what a test wants, and knows which are open. */
const serve = async (handle: (socket: Socket) => void) => {
  const open = new Set<Socket>();
  let accepted = 0;
  const server = net.createServer((socket) => {
    accepted += 1;
    open.add(socket);
    socket.on('error', () => undefined).on('close', () => open.delete(socket));
    handle(socket);
    // Whoever does not read does not see the other side close.
    socket.resume();
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return {
    url: `ldap://127.0.0.1:${(server.address() as AddressInfo).port}`,
    accepted: () => accepted,
    allClosed: async () => await eventually(() => open.size === 0 || undefined, 3000),
    [Symbol.asyncDispose]: async () => {
      for (const socket of open) socket.destroy();
      await new Promise((resolve) => void server.close(resolve));
    },
  };
};

const options = (url: string, more: Partial<LdapOptions> = {}): LdapOptions => ({
  url,
  bindDn: null,
  passwordFile: null,
  base: 'dc=example',
  userFilter: '(uid={{sub}})',
  filter: '(member={{dn}})',
  attribute: 'cn',
  startTls: false,
  caFile: null,
  timeout: 300,
  ...more,
});
const ask = async (url: string, more: Partial<LdapOptions> = {}) =>
  await new LdapGroups(options(url, more), systemClock).resolve('jane');

const text = (value: string): Buffer => tlv(0x04, Buffer.from(value));
/** An answer to the message `id` (RFC 4511 §4.1.1). */
const message = (id: number, operation: Buffer): Buffer => tlv(0x30, tlv(0x02, Buffer.from([id])), operation);
const idOf = (data: Buffer): number => data[4 + ((data[1] ?? 0) & 0x80 ? (data[1] ?? 0) & 0x7f : 0)] ?? 0;
const entry = (dn: string): Buffer => tlv(0x64, text(dn), tlv(0x30));
const result = (code: number): Buffer => tlv(0x65, tlv(0x0a, Buffer.from([code])), text(''), text(''));

const answering =
  (operation: Buffer) =>
  (socket: Socket): void =>
    void socket.once('data', (data) => socket.write(message(idOf(data), operation)));

describe('a directory that', () => {
  const bad: [string, (socket: Socket) => void, RegExp][] = [
    ['never answers', () => undefined, /no complete answer within 300 ms/u],
    ['closes at once', (socket) => socket.destroy(), /./u],
    ['closes on the first word', (socket) => void socket.once('data', () => socket.end()), /closed/u],
    [
      'speaks HTTP',
      (socket) => void socket.once('data', () => socket.write('HTTP/1.1 400 no\r\n\r\n')),
      /./u,
    ],
    ['sends zeros', (socket) => void socket.once('data', () => socket.write(Buffer.alloc(4096))), /./u],
    [
      'promises 2 GB and goes silent',
      (socket) => void socket.once('data', () => socket.write(Buffer.from('30847fffffff', 'hex'))),
      /./u,
    ],
    [
      'drips a byte at a time',
      (socket) => {
        const timer = setInterval(() => socket.write(Buffer.from([0x30])), 20);
        socket.once('close', () => clearInterval(timer));
      },
      /./u,
    ],
    [
      'answers with entries for ever',
      (socket) => {
        socket.once('data', (data) => {
          const more = (): void => {
            if (socket.writable)
              socket.write(message(idOf(data), entry('uid=jane')), () => setImmediate(more));
          };
          more();
        });
      },
      /time|complete/iu,
    ],
    ['answers with a referral', answering(result(10)), /./u],
    ['is busy', answering(result(51)), /Busy/u],
  ];
  test.each(bad)(
    '%s is unavailable within its time, and no connection stays',
    async (_name, handle, hint) => {
      await using server = await serve(handle);
      const before = performance.now();
      const answer = await ask(server.url);
      expect(answer).toEqual({ known: 'unavailable', hint: expect.stringMatching(hint) as string });
      expect(performance.now() - before).toBeLessThan(1500);
      await server.allClosed();
      expect(server.accepted()).toBe(1);
    },
  );

  test.each([
    ['StartTLS', { startTls: true }, 'ldap'],
    ['ldaps', {}, 'ldaps'],
  ] as const)(
    'hangs in the handshake of %s is unavailable, and no connection stays',
    async (_name, more, scheme) => {
      await using server = await serve((socket) => {
        if (scheme === 'ldap') {
          // RFC 4511 §4.12: success, and then not a word of TLS.
          const yes = tlv(0x78, tlv(0x0a, Buffer.from([0])), text(''), text(''));
          answering(yes)(socket);
        }
      });
      const answer = await ask(server.url.replace('ldap', scheme), more);
      expect(answer).toMatchObject({ known: 'unavailable' });
      await server.allClosed();
      expect(server.accepted()).toBe(1);
    },
  );

  test('is not there is unavailable', async () => {
    const server = await serve(() => undefined);
    await server[Symbol.asyncDispose]();
    expect(await ask(server.url)).toMatchObject({ known: 'unavailable' });
  });

  test('answers leaves no connection either, and a value of many forms is text', async () => {
    await using server = await serve((socket) => {
      const says = (data: Buffer, ...operations: readonly Buffer[]): void =>
        void socket.write(Buffer.concat(operations.map((each) => message(idOf(data), each))));
      socket.once('data', (first) => {
        says(first, entry('uid=jane'), result(0));
        socket.once('data', (second) => {
          const cn = tlv(0x30, text('CN'), tlv(0x31, text('a'), text('b')));
          says(second, tlv(0x64, text('cn=a'), tlv(0x30, cn)), result(0));
        });
      });
    });
    expect(await ask(server.url)).toEqual({ known: true, groups: ['a', 'b'] });
    await server.allClosed();
  });
});

describe('a value in a filter', () => {
  test('is that value and nothing else, whatever it is', () => {
    const hostile = oneof(
      string({ unit: 'binary' }),
      string({
        unit: constantFrom('*', '(', ')', '\\', '\u0000', '=', '&', '|', '!', ' ', 'a', '2', 'ü', '李'),
      }),
    );
    assert(
      property(hostile, hostile, (value, other) => {
        const filter = FilterParser.parseString(
          `(&(uid=${escapeFilterValue(value)})(cn=${escapeFilterValue(other)}))`,
        );
        expect(filter).toMatchObject({
          filters: [
            { attribute: 'uid', value },
            { attribute: 'cn', value: other },
          ],
        });
        const { filters } = filter as unknown as { filters: unknown[] };
        expect(filters.every((each) => each instanceof EqualityFilter)).toBe(true);
      }),
      { seed: 9, numRuns: 2000 },
    );
  });

  test.each(['*', '*)(uid=*', '\\', '(', ')', '\u0000', '&', '|', '!', 'ü', '李', '=', ' a '])(
    '%j survives',
    (value) => {
      const filter = FilterParser.parseString(`(uid=${escapeFilterValue(value)})`);
      expect(filter).toMatchObject({ attribute: 'uid', value });
      expect(filter).toBeInstanceOf(EqualityFilter);
    },
  );
});
