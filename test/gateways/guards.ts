import { createHash } from 'node:crypto';
import http from 'node:http';
import type { Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startGateway, token, type Gateway, type Program, type Seen } from './gateway.ts';

interface Answer {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly text: string;
}

const bearer = (text: string): http.OutgoingHttpHeaders => ({ authorization: `Bearer ${text}` });

/** What the app was asked. */
const seen = ({ text }: Answer): Seen => JSON.parse(text) as Seen;

/** How gateways differ in what they may. */
export interface Differences {
  /** Status without jwksd. */
  readonly down: number;
  /** Whether a refusal reaches the client as jwksd wrote it. */
  readonly passesRefusals: boolean;
  /** Whether the query of the request becomes the query of the question. */
  readonly appendsQuery: boolean;
}

/** What every gateway with the settings of docs/validation.md does. */
export const guards = (name: string, program: Program, differences: Differences): void => {
  describe(name, () => {
    let gateway: Gateway;
    beforeAll(async () => void (gateway = await startGateway(program)));
    afterAll(async () => await gateway[Symbol.asyncDispose]());

    const send = async (
      method: string,
      path: string,
      headers: http.OutgoingHttpHeaders,
      body?: Buffer,
    ): Promise<Answer> =>
      await new Promise((resolve, reject) => {
        const request = http.request({
          host: '127.0.0.1',
          port: gateway.port,
          method,
          path,
          headers,
          agent: false,
        });
        request.on('error', reject).on('response', (response) => {
          let text = '';
          response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
          response.on('end', () =>
            resolve({ status: response.statusCode ?? 0, headers: response.headers, text }),
          );
        });
        request.end(body);
      });

    test('lets a good token through and tells the app whose it is', async () => {
      const answer = await send('GET', '/a/b?c=d', bearer(token({ groups: ['staff', 'x,y'] })));
      expect(answer.status).toBe(200);
      expect(seen(answer)).toMatchObject({ method: 'GET', url: '/a/b?c=d' });
      expect(seen(answer).headers).toMatchObject({
        'x-auth-subject': 'jane',
        'x-auth-groups': 'staff,x%2Cy',
        'x-auth-issuer': 'https://sso.example.org/realms/main',
      });
    });

    test.each<[string, http.OutgoingHttpHeaders, string]>([
      ['no token', {}, 'Bearer'],
      ['nonsense', bearer('x.y.z'), 'Bearer error="invalid_token"'],
      ['an expired token', bearer(token({ exp: 5 })), 'Bearer error="invalid_token"'],
      [
        'a token of another issuer',
        bearer(token({ iss: 'https://evil.example' })),
        'Bearer error="invalid_token"',
      ],
    ])('stops a request with %s', async (_name, headers, challenge) => {
      for (const method of ['GET', 'POST', 'DELETE', 'OPTIONS']) {
        const answer = await send(method, '/', headers);
        expect([answer.status, answer.headers['www-authenticate']]).toEqual([401, challenge]);
        expect(answer.text.includes('urn:jwksd:problem:')).toBe(differences.passesRefusals);
      }
    });

    test('takes away what a client says of its identity', async () => {
      const lies = {
        'x-auth-subject': 'root',
        'x-auth-groups': 'admins',
        'x-auth-issuer': 'me',
        x_auth_groups: 'admins',
      };
      const { headers } = seen(await send('GET', '/', { ...bearer(token()), ...lies }));
      expect(headers['x-auth-subject']).toBe('jane');
      expect(JSON.stringify(headers)).not.toMatch(/admins|root/u);
      // So many groups that jwksd leaves the header out.
      const groups = Array.from({ length: 1000 }, (_, n) => `group-${n}`);
      const many = await send('GET', '/', { ...bearer(token({ groups })), ...lies });
      expect(many.status).toBe(200);
      expect(JSON.stringify(seen(many).headers)).not.toMatch(/admins|root|group-1/u);
    });

    test('a subject that would break a header does not', async () => {
      const answer = await send(
        'GET',
        '/',
        bearer(token({ sub: 'a\r\nX-Auth-Groups: admins', groups: ['\n', 'ü'] })),
      );
      expect(seen(answer).headers).toMatchObject({
        'x-auth-subject': 'a%0D%0AX-Auth-Groups:%20admins',
        'x-auth-groups': '%0A,%C3%BC',
      });
    });

    test.each([1, 70_000, 5_000_000])(
      'passes a body of %i bytes to the app, and to nobody else',
      async (length) => {
        const body = Buffer.alloc(length, 'x');
        for (const method of ['POST', 'PUT']) {
          const answer = await send(
            method,
            '/upload',
            { ...bearer(token()), 'content-type': 'application/json' },
            body,
          );
          expect(seen(answer).bytes).toBe(length);
        }
        const chunked = { ...bearer(token()), 'transfer-encoding': 'chunked' };
        expect(seen(await send('POST', '/upload', chunked, body)).bytes).toBe(length);
      },
    );

    test('takes a token of 15 KiB', async () => {
      const answer = await send('GET', '/', bearer(token({ filler: 'x'.repeat(11_000) })));
      expect(answer.status).toBe(200);
    });

    test.each([
      ['a good token', () => token(), 101],
      ['a bad one', () => 'x', 401],
    ])('upgrades to a WebSocket with %s only', async (_name, make, status) => {
      const key = createHash('sha256').update('key').digest().subarray(0, 16).toString('base64');
      const answer = await new Promise<{ status: number; socket?: Socket; head?: Buffer }>(
        (resolve, reject) => {
          http
            .request({
              host: '127.0.0.1',
              port: gateway.port,
              path: '/socket',
              headers: {
                ...bearer(make()),
                connection: 'Upgrade',
                upgrade: 'websocket',
                'sec-websocket-version': '13',
                'sec-websocket-key': key,
              },
            })
            .on('error', reject)
            .on('response', ({ statusCode = 0 }) => resolve({ status: statusCode }))
            .on('upgrade', ({ statusCode = 0 }, socket, head) =>
              resolve({ status: statusCode, socket, head }),
            )
            .end();
        },
      );
      expect(answer.status).toBe(status);
      const { socket, head } = answer;
      if (socket === undefined) return;
      let heard = String(head);
      const done = new Promise<void>((resolve) => {
        const look = (): void => (heard.endsWith('ping') ? resolve() : undefined);
        socket.on('data', (chunk: Buffer) => {
          heard += String(chunk);
          look();
        });
      });
      socket.write('ping');
      await done;
      socket.destroy();
      expect(heard).toBe('hello janeping');
    });

    test('a query of the request means what the page says', async () => {
      const { status } = await send('GET', '/search?scope=all', bearer(token()));
      expect(status).toBe(differences.appendsQuery ? 403 : 200);
    });

    test('a path that is not well encoded is the business of the app', async () => {
      const answer = await send('GET', '/100%25/%ff', bearer(token()));
      expect([answer.status, seen(answer).url]).toEqual([200, '/100%25/%ff']);
    });

    test('asks for 50 requests at once', async () => {
      const answers = await Promise.all(
        Array.from(
          { length: 50 },
          async (_, n) => await send('POST', '/', bearer(n % 2 === 0 ? token() : 'x'), Buffer.from('x')),
        ),
      );
      expect(answers.map(({ status }) => status)).toEqual(answers.map((_, n) => (n % 2 === 0 ? 200 : 401)));
    });

    // Last: jwksd does not come back.
    test('lets nobody in without jwksd', async () => {
      await gateway.jwksd.stop();
      expect((await send('GET', '/', bearer(token()))).status).toBe(differences.down);
    });
  });
};
