import { readFile, rm, stat, writeFile } from 'node:fs/promises';
import http from 'node:http';
import path from 'node:path';
import { expect, test } from 'vitest';
import { runJwksd, startJwksd } from '../../fakes/jwksd.ts';
import { admitted, ecJwk } from '../../fakes/keys.ts';
import { ok, status } from '../../fakes/upstream.ts';
import { get } from '../client.ts';
import { digestOf } from '../signer.ts';
import { Reader, startRig } from './rig.ts';

const stolen = ecJwk('stolen');
const set = { keys: [stolen, ecJwk('good')] };
const { thumbprint } = admitted(stolen);

/** PUT with a JSON body; the status. */
const put = async (url: string, body: unknown): Promise<number> =>
  await new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json' };
    const request = http.request(url, { method: 'PUT', headers, agent: false }, (response) => {
      response.resume().on('end', () => resolve(response.statusCode ?? 0));
    });
    request.on('error', reject);
    request.end(JSON.stringify(body));
  });

const denied = async ({ server }: Reader): Promise<readonly { thumbprint: string; reason: string }[]> =>
  (
    JSON.parse((await get(`${server.opsUrl}/denied`)).text) as {
      denied: { thumbprint: string; reason: string }[];
    }
  ).denied;

const names = ['a', 'b'];
const sources = names.map((name) => ({ name }));

test('a denied key leaves every set at once, and stays away across refreshes, restarts and an outage', async () => {
  await using rig = await startRig(sources, { first: ok(set) });
  const { jwksd } = rig;
  await jwksd.all('FRESH');
  for (const name of names) expect(await jwksd.kids(name)).toEqual(['stolen', 'good']);

  const url = `${jwksd.server.opsUrl}/denied/${thumbprint}`;
  expect(await put(url, { reason: 'stolen on Monday' })).toBe(204);
  // At once: the answer came after the snapshot, and nothing is polled here.
  const gone = async (reader: Reader): Promise<void> => {
    for (const name of names) {
      const { url: base } = reader.server;
      expect(await reader.kids(name)).toEqual(['good']);
      expect((await get(`${base}/${name}/pem/${digestOf('stolen')}.pem`)).status).toBe(404);
      expect((await get(`${base}/sets/${name}/keys/stolen`)).status).toBe(404);
      expect((await get(`${base}/sets/${name}/keys/${thumbprint}`)).status).toBe(404);
    }
    expect(await denied(reader)).toEqual([
      { thumbprint, reason: 'stolen on Monday', since: expect.any(String) as string },
    ]);
  };
  await gone(jwksd);
  expect(await jwksd.metric('jwksd_denied_keys')).toBe(1);
  for (const name of names) {
    expect(await jwksd.metric(`jwksd_set_withheld{set="${name}",reason="denied"}`)).toBe(1);
  }

  for (const name of names) await jwksd.refreshed(name);
  await gone(jwksd);
  // Under another name it is the same key.
  rig.upstreams.setAll(names, ok({ keys: [{ ...stolen, kid: 'renamed' }, ecJwk('good')] }));
  for (const name of names) await jwksd.refreshed(name);
  for (const name of names) await jwksd.publishes(name, ['good']);

  const file = path.join(rig.directory, 'state/denied.json');
  expect((await stat(file)).mode & 0o777).toBe(0o600);
  jwksd.server.kill('SIGKILL');
  await jwksd.server.exited;
  rig.upstreams.setAll(names, status(503));
  const restored = await rig.again();
  for (const name of names) expect(await restored.kids(name)).toEqual(['good']);
  rig.upstreams.setAll(names, ok(set));
  for (const name of names) await restored.driven(name, 'FRESH');
  await gone(restored);

  const again = `${restored.server.opsUrl}/denied/${thumbprint}`;
  expect((await get(again, { method: 'DELETE' })).status).toBe(204);
  for (const name of names) expect(await restored.kids(name)).toEqual(['stolen', 'good']);
  expect(await denied(restored)).toEqual([]);
  expect(JSON.parse(await readFile(file, 'utf8'))).toMatchObject({ denied: [] });
}, 60_000);

test('a damaged deny list refuses the start, and says how to mend it', async () => {
  await using rig = await startRig(sources, { first: ok(set) });
  await rig.jwksd.all('FRESH');
  expect(await put(`${rig.jwksd.server.opsUrl}/denied/${thumbprint}`, { reason: 'stolen' })).toBe(204);
  expect(await rig.jwksd.server.stop()).toBe(0);
  const file = path.join(rig.directory, 'state/denied.json');
  const whole = await readFile(file, 'utf8');
  const config = path.join(rig.directory, 'jwksd.yaml');
  const args = ['serve', '--config', config, '--port', '0', '--ops-port', '0'];
  for (const damage of ['', whole.slice(0, -10), whole.replace(thumbprint, 'short')]) {
    await writeFile(file, damage);
    const { code, stderr } = await runJwksd(args, { cwd: rig.directory });
    expect([damage, code]).toEqual([damage, 2]);
    expect(stderr).toContain(file);
    expect(stderr).toMatch(/restore|delete/u);
  }
  await writeFile(file, whole);
  await using restored = await startJwksd(['--config', config], { cwd: rig.directory });
  for (const name of names) expect(await new Reader(restored).kids(name)).toEqual(['good']);
  expect(await restored.stop()).toBe(0);
  // Deleting it is the other way, and allows the key again.
  await rm(file);
  await using allowed = await startJwksd(['--config', config], { cwd: rig.directory });
  for (const name of names) expect(await new Reader(allowed).kids(name)).toEqual(['stolen', 'good']);
}, 60_000);

test('a denial that cannot be stored is refused with 503, and changes nothing', async () => {
  await using rig = await startRig(sources, { first: ok(set) });
  const { jwksd } = rig;
  await jwksd.all('FRESH');
  const directory = path.join(rig.directory, 'state');
  await rm(directory, { recursive: true, force: true, maxRetries: 5 });
  await writeFile(directory, 'a file where the directory was');
  expect(await put(`${jwksd.server.opsUrl}/denied/${thumbprint}`, { reason: 'stolen' })).toBe(503);
  for (const name of names) expect(await jwksd.kids(name)).toEqual(['stolen', 'good']);
  expect(await denied(jwksd)).toEqual([]);
  // With the disk mended, the next try counts.
  await rm(directory);
  expect(await put(`${jwksd.server.opsUrl}/denied/${thumbprint}`, { reason: 'stolen' })).toBe(204);
  for (const name of names) expect(await jwksd.kids(name)).toEqual(['good']);
});

test('a refresh is 202 and begins one fetch, 404 for a source nobody knows; a bad denial is 400', async () => {
  await using rig = await startRig(sources, { first: ok(set) });
  const { jwksd, upstreams } = rig;
  await jwksd.all('FRESH');
  const before = upstreams.count('a');
  const post = { method: 'POST' };
  const answer = await get(`${jwksd.server.opsUrl}/sources/a/refresh`, post);
  expect([answer.status, JSON.parse(answer.text)]).toEqual([202, { source: 'a', status: 'started' }]);
  await jwksd.until('a', () => upstreams.count('a') === before + 1);
  expect(upstreams.server.requests.at(-1)?.headers['cache-control']).toBe('no-cache');
  for (const name of ['c', '__proto__', 'A', '%00']) {
    expect((await get(`${jwksd.server.opsUrl}/sources/${name}/refresh`, post)).status).toBe(404);
  }
  for (const [name, body] of [
    ['short', { reason: 'stolen' }],
    [thumbprint, {}],
    [thumbprint, { reason: '' }],
    [thumbprint, { reason: 7 }],
    [thumbprint, { reason: 'x'.repeat(501) }],
    [thumbprint, { reason: 'stolen', more: true }],
    [thumbprint, null],
  ] as const) {
    expect(await put(`${jwksd.server.opsUrl}/denied/${name}`, body)).toBe(400);
  }
  expect(await denied(jwksd)).toEqual([]);
});
