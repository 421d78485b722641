import { generateKeyPairSync, randomUUID, type KeyObject } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { calculateJwkThumbprint, SignJWT, type JWK } from 'jose';
import { root, startJwksd, temporaryDirectory, type ChildOptions, type Running } from '../../fakes/jwksd.ts';
import { freePort } from '../../fakes/postgres.ts';
import { FakeUpstream, ok } from '../../fakes/upstream.ts';
import { makeSigner, setOf, type Signer } from '../signer.ts';

export const endpoint = '/oidc/jwks/clients';
/** What proofs are for: the same at all replicas, whose URLs differ. */
export const audience = 'https://keys.example.org';
export const scope = 'client_jwks_registration_scope';
const issuer = 'https://sso.example.org';

/** A key of a client, which can prove that it holds it. */
export interface ClientKey {
  readonly jkt: string;
  readonly publicJwk: JWK;
  readonly privateKey: KeyObject;
}

/** Makes a P-256 key. */
export const makeKey = async (): Promise<ClientKey> => {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const publicJwk = publicKey.export({ format: 'jwk' }) as JWK;
  return { jkt: await calculateJwkThumbprint(publicJwk), publicJwk, privateKey };
};

/** A proof as docs/registration.md describes it, made with jose. */
export const prove = async (
  { publicJwk, privateKey }: ClientKey,
  client: string,
  claims: Readonly<Record<string, unknown>> = {},
): Promise<string> =>
  await new SignJWT({ iss: client, aud: audience, jti: randomUUID(), ...claims })
    .setIssuedAt(typeof claims['iat'] === 'number' ? claims['iat'] : undefined)
    .setProtectedHeader({ alg: 'ES256', typ: 'register-key+jwt', jwk: publicJwk })
    .sign(privateKey);

/** An answer of a registration endpoint. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly json: Readonly<Record<string, unknown>>;
  readonly text: string;
}

const read = async (response: Response): Promise<Answer> => {
  const text = await response.text();
  const json = text.startsWith('{') ? (JSON.parse(text) as Record<string, unknown>) : {};
  return { status: response.status, headers: response.headers, json, text };
};

/** A request of a client that has an access token. */
export const ask = async (
  { url }: Pick<Running, 'url'>,
  method: string,
  target: string,
  token: string,
  body?: object,
): Promise<Answer> =>
  await read(
    await fetch(`${url}${target}`, {
      method,
      redirect: 'manual',
      headers: {
        authorization: `Bearer ${token}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    }),
  );

/** Registers a key. */
export const register = async (server: Pick<Running, 'url'>, token: string, proof: string): Promise<Answer> =>
  await ask(server, 'POST', endpoint, token, { proof });

/** The published set of a client. */
export const published = async (server: Pick<Running, 'url'>, client: string): Promise<Answer> =>
  await read(await fetch(`${server.url}${endpoint}/${encodeURIComponent(client)}/jwks.json`));

/** The kids a client has published, sorted; undefined while its set cannot be had. */
export const kidsOf = async (
  server: Pick<Running, 'url'>,
  client: string,
): Promise<readonly string[] | undefined> => {
  const { status, json } = await published(server, client);
  if (status === 404) return [];
  return status === 200 ? (json['keys'] as { kid: string }[]).map(({ kid }) => kid).toSorted() : undefined;
};

/** What a test's jwksd is configured with, beside what all of them have. */
export type Section = Readonly<Record<string, unknown>>;

/** A place with an issuer of access tokens, where any number of jwksd are started. */
export interface World extends AsyncDisposable {
  readonly directory: string;
  readonly upstream: FakeUpstream;
  readonly issuerKey: Signer;
  /** A good access token of a client. */
  token(client: string, claims?: Readonly<Record<string, unknown>>): Promise<string>;
  /** Starts a jwksd whose access tokens are this world's. */
  start(registration?: Section, more?: Section, options?: ChildOptions): Promise<Running>;
}

/** A world; its servers end with it. */
export const createWorld = async (): Promise<World> => {
  const directory = await temporaryDirectory();
  const issuerKey = await makeSigner('ES256');
  const upstream = await FakeUpstream.start({ handler: ok(setOf(issuerKey)) });
  const servers: Running[] = [];
  return {
    directory: directory.path,
    upstream,
    issuerKey,
    token: async (client, claims = {}) =>
      await issuerKey.token({ iss: issuer, aud: 'jwksd', client_id: client, scope, ...claims }),
    async start(registration = {}, more = {}, options = {}) {
      const file = path.join(directory.path, `jwksd-${servers.length}.yaml`);
      const port = await freePort();
      const config = {
        // The banner says this URL, so it must be the one that is listened on.
        server: { publicUrl: `http://127.0.0.1:${port}` },
        state: { dir: null },
        sources: { idp: { type: 'jwks', url: upstream.url().href } },
        registration: {
          audience,
          accessToken: { jwt: { issuer, source: 'idp', audience: 'jwksd' } },
          store: { type: 'lmdb', path: path.join(directory.path, 'registrations') },
          rateLimit: '1000000/s',
          ...registration,
        },
        ...more,
      };
      await writeFile(file, JSON.stringify(config));
      const server = await startJwksd(['--config', file, '--port', String(port)], {
        cwd: directory.path,
        ...options,
      });
      servers.push(server);
      return server;
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(servers.map(async (server) => await server[Symbol.asyncDispose]()));
      await upstream[Symbol.asyncDispose]();
      await directory[Symbol.asyncDispose]();
    },
  };
};

/** docs/registration.md. */
export const page = async (): Promise<string> =>
  await readFile(path.join(root, 'docs/registration.md'), 'utf8');

/** The client that the page has in a language. */
export const documentedClient = (text: string, language: string): string => {
  const [, code] = new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\`$`, 'mu').exec(text) ?? [];
  if (code === undefined) throw new Error(`docs/registration.md has no client in ${language}`);
  return code;
};
