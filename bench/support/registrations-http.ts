import { generateKeyPairSync, randomUUID, sign, type KeyObject } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';
import type { StoreOptions } from '../../src/stores/open.ts';
import { program, residentMemory, startServer, type Server } from './process.ts';
import { clientOf, quantile } from './registrations.ts';
import { shown } from './report.ts';

const endpoint = '/oidc/jwks/clients';
const issuer = 'https://sso.example.org';
const audience = 'https://keys.example.org';
const registrations = 3000;
const lookups = 20_000;
const lanes = 32;

/** Columns of what {@link measureHttp} gives. */
export const httpColumns = [
  'store',
  'keys',
  'registrations/s',
  'p50 ms',
  'p99 ms',
  'lookups/s',
  'p50 ms',
  'p99 ms',
  'the same client again: p50 ms',
  'p99 ms',
  'RSS MB at start, after',
];

const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');

const jws = (header: object, payload: object, privateKey: KeyObject): string => {
  const input = `${encode({ alg: 'ES256', ...header })}.${encode(payload)}`;
  const signature = sign('sha256', Buffer.from(input), { key: privateKey, dsaEncoding: 'ieee-p1363' });
  return `${input}.${signature.toString('base64url')}`;
};

interface Request {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

const exchange = async ({ url }: Server, agent: http.Agent, ask: Request): Promise<void> =>
  await new Promise((resolve, reject) => {
    const { method, path: target, headers = {}, body } = ask;
    const request = http.request(`${url}${target}`, { method, agent, headers }, (response) => {
      response.resume();
      response.on('end', () =>
        response.statusCode === 200
          ? resolve()
          : reject(new Error(`${method} ${target} is answered with ${response.statusCode ?? 0}`)),
      );
    });
    request.on('error', reject);
    request.end(body);
  });

/** Makes the requests, so many at a time. */
const ask = async (server: Server, requests: readonly Request[]): Promise<string[]> => {
  const agent = new http.Agent({ keepAlive: true, maxSockets: lanes });
  const durations: number[] = [];
  const begun = performance.now();
  let next = 0;
  const lane = async (): Promise<void> => {
    for (let request = requests[next++]; request !== undefined; request = requests[next++]) {
      const asked = performance.now();
      await exchange(server, agent, request);
      durations.push(performance.now() - asked);
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  const seconds = (performance.now() - begun) / 1000;
  agent.destroy();
  return [
    shown(durations.length / seconds),
    shown(quantile(durations, 0.5), 1),
    shown(quantile(durations, 0.99), 1),
  ];
};

const lookup = (client: string): Request => ({
  method: 'GET',
  path: `${endpoint}/${encodeURIComponent(client)}/jwks.json`,
});

/**
 * Measures the built program on a store that holds `keys` keys: whole registrations (a new ES256 key, a strict proof, an
 * ES256 access token), and lookups of random clients and of one. Load and server share the machine.
 */
export const measureHttp = async (store: StoreOptions, keys: number): Promise<string[]> => {
  const directory = mkdtempSync(path.join(os.tmpdir(), 'jwksd-bench-'));
  const idp = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  writeFileSync(
    path.join(directory, 'idp.json'),
    JSON.stringify({ ...idp.publicKey.export({ format: 'jwk' }), kid: 'idp', alg: 'ES256', use: 'sig' }),
  );
  const file = path.join(directory, 'jwksd.yaml');
  const config = {
    server: { publicUrl: audience },
    ops: { enabled: false },
    log: { level: 'warn' },
    state: { dir: null },
    sources: { idp: { type: 'files', path: path.join(directory, 'idp.json') } },
    registration: {
      accessToken: { jwt: { issuer, source: 'idp', audience: 'jwksd' } },
      store,
      rateLimit: '1000000/s',
    },
  };
  writeFileSync(file, JSON.stringify(config));
  const now = Math.floor(Date.now() / 1000);
  const requests = Array.from({ length: registrations }, (_, n): Request => {
    const client = `client ${n % 100}`;
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const jwk = publicKey.export({ format: 'jwk' });
    const claims = { iss: client, aud: audience, iat: now, jti: randomUUID() };
    const access = {
      iss: issuer,
      aud: 'jwksd',
      client_id: client,
      exp: now + 3600,
      scope: 'client_jwks_registration_scope',
    };
    const token = jws({ kid: 'idp', typ: 'at+jwt' }, access, idp.privateKey);
    const body = JSON.stringify({ proof: jws({ typ: 'register-key+jwt', jwk }, claims, privateKey) });
    return {
      method: 'POST',
      path: endpoint,
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body,
    };
  });
  const server = await startServer('/readyz', (port) => [
    process.execPath,
    [program, 'serve', '--config', file, '--port', String(port)],
  ]);
  try {
    const atStart = residentMemory(server.pid);
    const registered = await ask(server, requests);
    const random = Array.from({ length: lookups }, () => lookup(clientOf(Math.floor(Math.random() * keys))));
    const found = await ask(server, random);
    const again = await ask(
      server,
      Array.from({ length: lookups }, () => lookup(clientOf(0))),
    );
    const memory = [atStart, residentMemory(server.pid)].map((value) => shown(value)).join(', ');
    return [store.type, shown(keys), ...registered, ...found, ...again.slice(1), memory];
  } finally {
    await server.stop();
    rmSync(directory, { recursive: true, force: true });
  }
};
