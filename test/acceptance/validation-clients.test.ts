import { writeFile } from 'node:fs/promises';
import http from 'node:http';
import path from 'node:path';
import * as oauth from 'oauth4webapi';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startJwksd, temporaryDirectory, type Running } from '../fakes/jwksd.ts';
import { signer } from '../tokens/signer.ts';

// Clients of a running jwksd. Gateways whose programs can be had are in test/gateways; here are those that can not, by the
// requests their source and documentation say they send.

const issuer = 'https://sso.example.org/realms/main';
const secret = 'pass: word+%ü';
const idp = signer('RS256', 'idp');
const token = (claims: object = {}): string =>
  idp.token({ iss: issuer, sub: 'jane', exp: Math.floor(Date.now() / 1000) + 60, ...claims });

let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
let jwksd: Running;
beforeAll(async () => {
  directory = await temporaryDirectory();
  const file = (name: string): string => path.join(directory.path, name);
  await writeFile(file('keys.json'), JSON.stringify({ keys: [idp.publicJwk] }));
  await writeFile(file('secret'), `${secret}\n`, { mode: 0o600 });
  await writeFile(
    file('jwksd.yaml'),
    `sources: { sso: { type: files, path: keys.json } }
sets: { sso: { sources: [sso] } }
validation:
  issuers: { main: { issuer: "${issuer}", set: sso } }
  introspection: { clients: { "gate.way-1": { secretFile: secret } } }
`,
  );
  jwksd = await startJwksd(['--config', file('jwksd.yaml')], { cwd: directory.path });
});
afterAll(async () => {
  await jwksd[Symbol.asyncDispose]();
  await directory[Symbol.asyncDispose]();
});

interface Answer {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly json: Record<string, unknown>;
}

/** Sends a request with exactly these headers, beside Host. */
const send = async (
  method: string,
  target: string,
  headers: http.OutgoingHttpHeaders,
  body?: string,
): Promise<Answer> =>
  await new Promise((resolve, reject) => {
    const request = http.request({
      host: '127.0.0.1',
      port: jwksd.port,
      method,
      path: target,
      headers,
      agent: false,
    });
    request.on('error', reject).on('response', (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      response.on('end', () => {
        const json = text === '' ? {} : (JSON.parse(text) as Record<string, unknown>);
        resolve({ status: response.statusCode ?? 0, headers: response.headers, json });
      });
    });
    request.end(body);
  });

const bearer = (text: string): { authorization: string } => ({ authorization: `Bearer ${text}` });

describe('Okera, by the curl of its documentation', () => {
  const headers = { accept: 'application/json', 'user-agent': 'curl/7.61.1' };

  test('gets JSON with a text sub for POST without a body', async () => {
    const answer = await send('POST', '/validate', { ...headers, ...bearer(token({ groups: ['staff'] })) });
    expect([answer.status, answer.headers['content-type']]).toEqual([200, 'application/json']);
    expect(answer.json).toMatchObject({ sub: 'jane', groups: ['staff'] });
  });

  test('gets nothing with a sub for a bad token', async () => {
    const answer = await send('POST', '/validate', { ...headers, ...bearer(token({ exp: 1 })) });
    expect(answer.status).toBe(401);
    expect(answer.json).not.toHaveProperty('sub');
  });
});

/** What Traefik's ForwardAuth sends beside the headers of the request it guards. */
const forwardAuth = (method: string, uri: string): http.OutgoingHttpHeaders => ({
  'accept-encoding': 'gzip',
  'x-forwarded-for': '192.0.2.7',
  'x-forwarded-host': 'app.example.org',
  'x-forwarded-method': method,
  'x-forwarded-port': '443',
  'x-forwarded-proto': 'https',
  'x-forwarded-uri': uri,
});

describe('Traefik ForwardAuth', () => {
  test.each([
    ['GET', '/search?scope=all&aud=x&group=y'],
    ['POST', '/upload'],
    ['DELETE', '/a%2Fb/%ff'],
  ])('for a %s of %s asks with GET, and neither method nor path matters', async (method, uri) => {
    const more = {
      'content-type': 'multipart/form-data; boundary=x',
      cookie: 'a=b',
      'x-auth-subject': 'root',
    };
    const good = await send('GET', '/validate', { ...forwardAuth(method, uri), ...more, ...bearer(token()) });
    expect([good.status, good.headers['x-auth-subject']]).toEqual([200, 'jane']);
    const bad = await send('GET', '/validate', { ...forwardAuth(method, uri), ...more });
    expect([bad.status, bad.headers['www-authenticate']]).toEqual([401, 'Bearer']);
    // Copied to the client as it is.
    expect(bad.headers).not.toHaveProperty('location');
    expect(bad.headers).not.toHaveProperty('set-cookie');
  });

  test('with preserveRequestMethod and forwardBody gets the same answers', async () => {
    const headers = { ...forwardAuth('PUT', '/'), ...bearer(token()), 'content-type': 'application/json' };
    expect((await send('PUT', '/validate', headers, '{"broken":')).status).toBe(200);
    expect(
      (await send('PUT', '/validate', { ...headers, 'transfer-encoding': 'chunked' }, '{}')).status,
    ).toBe(200);
    expect((await send('PUT', '/validate', { ...headers, ...bearer('x') }, '{}')).status).toBe(401);
  });
});

/** What Envoy's ext_authz sends over HTTP: no more of the request's headers than it is told, and a length of 0. */
const extAuthz = {
  host: 'app.example.org',
  'content-length': '0',
  'x-envoy-internal': 'true',
  'x-forwarded-for': '192.0.2.7',
  'x-envoy-expected-rq-timeout-ms': '3000',
};

describe('Envoy ext_authz', () => {
  test.each(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])(
    'asks with %s at the prefix and the path of the request',
    async (method) => {
      const target = '/validate/api/v1/things?page=2';
      const good = await send(method, target, { ...extAuthz, ...bearer(token()) });
      expect([good.status, good.headers['x-auth-subject']]).toEqual([200, 'jane']);
      expect((await send(method, target, extAuthz)).status).toBe(401);
    },
  );

  test('with_request_body sends a part of a body', async () => {
    const body = 'x'.repeat(8192);
    const headers = {
      'x-envoy-auth-partial-body': 'true',
      'content-type': 'application/json',
      ...bearer(token()),
    };
    const answer = await send(
      'POST',
      '/validate/upload',
      { ...extAuthz, ...headers, 'content-length': 8192 },
      body,
    );
    expect(answer.status).toBe(200);
  });
});

/** As the library is told of it; it insists on HTTPS unless it is told otherwise. */
const server = (): oauth.AuthorizationServer => ({
  issuer,
  introspection_endpoint: `${jwksd.url}/introspect`,
  userinfo_endpoint: `${jwksd.url}/validate`,
});
const client: oauth.Client = { client_id: 'gate.way-1' };
const insecure = { [oauth.allowInsecureRequests]: true };

describe('an OIDC client (oauth4webapi)', () => {
  test.each(['GET', 'POST'])('takes /validate for UserInfo, by %s', async (method) => {
    const ask = async (accessToken: string): Promise<Response> =>
      method === 'GET'
        ? await oauth.userInfoRequest(server(), client, accessToken, insecure)
        : await oauth.protectedResourceRequest(
            accessToken,
            method,
            new URL(`${jwksd.url}/validate`),
            undefined,
            null,
            insecure,
          );
    const claims = await oauth.processUserInfoResponse(
      server(),
      client,
      'jane',
      await ask(token({ email: 'jane@example.org' })),
    );
    expect(claims).toMatchObject({ sub: 'jane', email: 'jane@example.org' });
    await expect(oauth.processUserInfoResponse(server(), client, 'john', await ask(token()))).rejects.toThrow(
      /sub/u,
    );
  });

  test('understands why a token is refused', async () => {
    const refusal = oauth
      .userInfoRequest(server(), client, token({ exp: 1 }), insecure)
      .then(async (response) => await oauth.processUserInfoResponse(server(), client, 'jane', response));
    await expect(refusal).rejects.toMatchObject({
      status: 401,
      cause: [{ scheme: 'bearer', parameters: { error: 'invalid_token' } }],
    });
  });
});

/** What a client learns of a token. */
const introspect = async (
  accessToken: string,
  authentication: oauth.ClientAuth,
): Promise<oauth.IntrospectionResponse> =>
  await oauth.processIntrospectionResponse(
    server(),
    client,
    await oauth.introspectionRequest(server(), client, authentication, accessToken, {
      ...insecure,
      additionalParameters: { token_type_hint: 'access_token' },
    }),
  );

describe('an RFC 7662 client (oauth4webapi)', () => {
  test.each([
    ['client_secret_basic', oauth.ClientSecretBasic],
    ['client_secret_post', oauth.ClientSecretPost],
  ])('with %s learns of good tokens, and of bad ones nothing', async (_name, authenticate) => {
    expect(await introspect(token({ scope: 'read' }), authenticate(secret))).toMatchObject({
      active: true,
      sub: 'jane',
      iss: issuer,
      scope: 'read',
    });
    for (const bad of ['opaque', token({ exp: 1 }), token({ iss: 'https://evil.example' })]) {
      expect(await introspect(bad, authenticate(secret))).toEqual({ active: false });
    }
    await expect(introspect(token(), authenticate('wrong'))).rejects.toMatchObject({ status: 401 });
  });
});

test('a Kubernetes API server, by the request its webhook sends', async () => {
  const review = {
    kind: 'TokenReview',
    apiVersion: 'authentication.k8s.io/v1',
    metadata: { creationTimestamp: null },
    spec: {
      token: token({ aud: 'https://kubernetes.default.svc' }),
      audiences: ['https://kubernetes.default.svc'],
    },
    status: { user: {} },
  };
  const headers = {
    accept: 'application/json, */*',
    'content-type': 'application/json',
    'accept-encoding': 'gzip',
    'user-agent': 'kube-apiserver/v1.34.2 (linux/amd64) kubernetes/8cc511e',
  };
  const answer = await send('POST', '/tokenreview', headers, `${JSON.stringify(review)}\n`);
  expect([answer.status, answer.headers['content-type']]).toEqual([200, 'application/json']);
  expect(answer.json).toEqual({
    apiVersion: 'authentication.k8s.io/v1',
    kind: 'TokenReview',
    status: {
      authenticated: true,
      user: { username: 'jane', groups: [] },
      audiences: ['https://kubernetes.default.svc'],
    },
  });
  const late = await send('POST', '/tokenreview?timeout=30s', headers, JSON.stringify(review));
  expect(late.status).toBe(200);
});
