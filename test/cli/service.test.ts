import { mkdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from 'vitest';
import { Service } from '../../src/cli/service.ts';
import { loadConfig } from '../../src/config/load.ts';
import { DenyList } from '../../src/keyring/deny-list.ts';
import { temporaryDirectory } from '../fakes/jwksd.ts';
import { jwks } from '../fakes/keys.ts';
import { createLog } from '../fakes/log.ts';
import { byPath, FakeUpstream, ok, status } from '../fakes/upstream.ts';

type Sources = Readonly<Record<string, object>>;

/** A service whose configuration a test replaces, beside one upstream. */
const startService = async () => {
  const directory = await temporaryDirectory();
  const upstream = await FakeUpstream.start({ handler: ok(jwks('a')) });
  const file = path.join(directory.path, 'jwksd.yaml');
  const state = path.join(directory.path, 'state');
  const service = new Service(createLog().log, await DenyList.open(state), () => undefined);
  return {
    upstream,
    service,
    state,
    jwks: (more: object = {}, at = '/jwks') => ({
      type: 'jwks',
      url: upstream.url(at).href,
      removalConfirm: '0s',
      ...more,
    }),
    /** Applies these sources, each with a set of its own name. */
    apply: async (sources: Sources): Promise<void> => {
      const sets = Object.fromEntries(Object.keys(sources).map((name) => [name, { sources: [name] }]));
      // JSON is YAML too.
      await writeFile(file, JSON.stringify({ state: { dir: null }, sources, sets }));
      const loaded = await loadConfig({ flags: { config: file }, env: {}, cwd: directory.path });
      if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
      await service.apply(loaded.config);
    },
    kids: (set: string): (string | undefined)[] =>
      service.keyring.current.sets.get(set)?.keys.map(({ key }) => key.jwk.kid) ?? [],
    [Symbol.asyncDispose]: async () => {
      await service.close();
      await upstream.close();
      await directory[Symbol.asyncDispose]();
    },
  };
};

test('a configuration that could not be applied leaves nothing behind for the next one', async () => {
  await using running = await startService();
  const { service, upstream, state, apply, kids } = running;
  await apply({ idp: running.jwks() });
  await service.keyring.refresh('idp');
  await service.keyring.settled();
  const list = path.join(state, 'denied.json');
  await mkdir(state);
  await writeFile(list, '{');
  await expect(apply({ idp: running.jwks({ maxKeys: 900 }) })).rejects.toMatchObject({
    code: 'deny_list_damaged',
  });

  // The running source goes on, and finds other keys.
  upstream.handler = ok(jwks('b'));
  for (let n = 0; n < 2; n += 1) await service.keyring.refresh('idp');
  await service.keyring.settled();
  expect(kids('idp')).toEqual(['b']);
  upstream.handler = status(404);
  await rm(list);
  await apply({ idp: running.jwks({ maxKeys: 901 }) });
  expect(kids('idp')).toEqual(['b']);
});

test('a source under another name keeps its keys while its upstream is down', async () => {
  await using running = await startService();
  const { service, upstream, apply, kids } = running;
  upstream.handler = byPath({ '/jwks': ok(jwks('a')), '/other': ok(jwks('o')) });
  await apply({ idp: running.jwks(), other: running.jwks({}, '/other') });
  for (const name of ['idp', 'other']) await service.keyring.refresh(name);
  upstream.handler = status(404);
  await apply({ sso: running.jwks(), other: running.jwks({}, '/other') });
  expect([kids('sso'), kids('other')]).toEqual([['a'], ['o']]);
  // From which of two it comes nobody can say.
  await apply({ one: running.jwks(), two: running.jwks() });
  await apply({ three: running.jwks() });
  expect(kids('three')).toEqual([]);
});
