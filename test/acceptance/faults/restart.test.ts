import { createHash } from 'node:crypto';
import { chmod, mkdir, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { eventually, startJwksd, temporaryDirectory } from '../../fakes/jwksd.ts';
import { ecJwk, jwks, type Jwk } from '../../fakes/keys.ts';
import { mayMount, smallDisk } from '../../fakes/small-disk.ts';
import { ok, status } from '../../fakes/upstream.ts';
import { get } from '../client.ts';
import { Reader, startRig, configOf, Upstreams, type SourceSpec } from './rig.ts';

const hour = 3_600_000;
const digest = (text: string): string => createHash('sha256').update(text).digest('hex');

/** A last-known-good file as jwksd writes it. */
const remembered = (url: string, keys: readonly Jwk[], fetchedAt: number, more: object = {}): string => {
  const payload = JSON.stringify({ format: 1, origin: digest(url), keys, url, fetchedAt, ...more });
  return `${digest(payload)}\n${payload}\n`;
};
const good = [ecJwk('good'), ecJwk('second')];

/** Waits until the keys of a source are on disk. */
const written = async (jwksd: Reader, name: string): Promise<void> => {
  const writes = `jwksd_lkg_writes_total{source="${name}"}`;
  await eventually(async () => (await jwksd.metric(writes)) > 0 || undefined);
};

test('after kill -9 while the upstream is down: ready in less than a second, with the same bytes and ETag', async () => {
  await using rig = await startRig([{ name: 'a' }, { name: 'b' }], { first: ok({ keys: good }) });
  await rig.jwksd.all('FRESH');
  const before = await get(`${rig.jwksd.server.url}/sets/a/jwks.json`);
  const files = path.join(rig.directory, 'state/upstreams');
  for (const name of ['a', 'b']) await written(rig.jwksd, name);
  expect((await stat(path.join(files, 'a.json'))).mode & 0o777).toBe(0o600);

  rig.upstreams.setAll(['a', 'b'], status(503));
  rig.jwksd.server.kill('SIGKILL');
  await rig.jwksd.server.exited;
  const again = await rig.again();
  const listening = performance.now();
  // It listens with the keys in hand: the first request is answered with them.
  const after = await get(`${again.server.url}/sets/a/jwks.json`);
  expect([after.status, after.headers.etag, after.text]).toEqual([200, before.headers.etag, before.text]);
  expect(await again.isReady()).toBe(true);
  expect(performance.now() - listening).toBeLessThan(1000);
  expect(['RESTORED', 'STALE']).toContain((await again.source('a')).state);
  const unchanged = await get(`${again.server.url}/sets/a/jwks.json`, {
    headers: { 'if-none-match': String(before.headers.etag) },
  });
  expect(unchanged.status).toBe(304);
}, 60_000);

describe('at the start without an upstream', () => {
  type Row = readonly [
    name: string,
    file: (url: string) => string | Buffer,
    kids: readonly string[] | number,
  ];
  const now = Date.now();
  const rows: readonly Row[] = [
    ['whole', (url) => remembered(url, good, now - hour), ['good', 'second']],
    ['almost-too-old', (url) => remembered(url, good, now - 23 * hour), ['good', 'second']],
    ['too-old', (url) => remembered(url, good, now - 25 * hour), 503],
    ['from-1970', (url) => remembered(url, good, 0), 503],
    ['future', (url) => remembered(url, good, now + 100 * hour), ['good', 'second']],
    ['far-future', (url) => remembered(url, good, 8.64e15), ['good', 'second']],
    ['no-date', (url) => remembered(url, good, Number.NaN), 503],
    ['foreign', () => remembered('https://evil.example/jwks', good, now), 503],
    ['other-format', (url) => remembered(url, good, now, { format: 2 }), 503],
    ['no-keys', (url) => remembered(url, [], now), 503],
    ['keys-that-are-none', (url) => remembered(url, good, now, { keys: 'good' }), 503],
    [
      'private',
      (url) => remembered(url, [{ ...ecJwk('secret'), d: 'AA' }, ...good], now),
      ['good', 'second'],
    ],
    ['one-bit', (url) => remembered(url, good, now).replace('"good"', '"gooe"'), 503],
    ['cut', (url) => remembered(url, good, now).slice(0, -40), 503],
    ['cut-in-the-hash', (url) => remembered(url, good, now).slice(0, 30), 503],
    ['empty', () => '', 503],
    ['zeros', () => Buffer.alloc(4096), 503],
    ['noise', () => Buffer.from(Array.from({ length: 4096 }, (_, n) => (n * 37) % 256)), 503],
    ['html', () => '<!doctype html>', 503],
    ['hashed-nonsense', () => `${digest('{"format":')}\n{"format":\n`, 503],
    ['hashed-null', () => `${digest('null')}\nnull\n`, 503],
    ['deep', () => `${digest('['.repeat(500_000))}\n${'['.repeat(500_000)}\n`, 503],
  ];

  test('every file is taken for what it is, with a warning where it is not used', async () => {
    await using rig = await startRig(
      rows.map(([name]) => ({ name })),
      {
        first: status(503),
        before: async (upstreams, directory) => {
          const files = path.join(directory, 'state/upstreams');
          await mkdir(files, { recursive: true });
          for (const [name, file] of rows)
            await writeFile(path.join(files, `${name}.json`), file(upstreams.url(name)));
        },
      },
    );
    const { jwksd } = rig;
    for (const [name, , kids] of rows) {
      expect([name, await jwksd.kids(name)]).toEqual([name, kids]);
      const warned = jwksd.server
        .log()
        .some(({ source, msg }) => source === name && String(msg).startsWith('last-known-good'));
      // A file without keys is no damage, and nothing to warn of.
      expect([name, warned]).toEqual([name, kids === 503 && name !== 'no-keys']);
    }
    expect(jwksd.server.output()).not.toContain('secret');
    // All of them are replaced by what the upstream says next.
    rig.upstreams.setAll(
      rows.map(([name]) => name),
      ok(jwks('new')),
    );
    for (const [name] of rows) await jwksd.refresh(name);
    for (const [name] of rows) await jwksd.publishes(name, ['new']);
  }, 60_000);
});

test('kill -9 at any moment of a write: every restart finds a whole set', async () => {
  const wide = 300;
  let version = 0;
  const upstreams = await Upstreams.start();
  await using _closed = upstreams;
  await using directory = await temporaryDirectory();
  const keys = Array.from({ length: wide }, (_, n) => ecJwk(`k${n}`, 'shared'));
  // Another set every second, so that the file is nearly always being written. Each is marked in its first kid.
  upstreams.set('a', (request, response) => {
    version += 1;
    ok({ keys: [ecJwk(`version-${version}`, 'shared'), ...keys] })(request, response);
  });
  const file = path.join(directory.path, 'jwksd.yaml');
  await writeFile(file, configOf(upstreams, [{ name: 'a' }], path.join(directory.path, 'state')));
  for (let round = 0; round < 6; round += 1) {
    await using server = await startJwksd(['--config', file], { cwd: directory.path });
    const jwksd = new Reader(server);
    if (round > 0) {
      const kids = await jwksd.kids('a');
      expect(
        Array.isArray(kids) && kids.length > wide,
        `round ${round}: ${JSON.stringify(kids).slice(0, 200)}`,
      ).toBe(true);
    }
    const warnings = server.log().filter(({ msg }) => String(msg).startsWith('last-known-good'));
    expect(warnings).toEqual([]);
    // The first has nothing to fall back on.
    if (round === 0) await written(jwksd, 'a');
    const from = version;
    const asked = Array.from({ length: 20 }, async () => await jwksd.refresh('a').catch(() => undefined));
    await jwksd.until('a', () => version > from);
    // Somewhere in what follows the answer: parsing, rendering, writing, syncing, renaming.
    const end = performance.now() + Math.random() * 80;
    while (performance.now() < end) await new Promise((resolve) => void setImmediate(resolve));
    server.kill('SIGKILL');
    await server.exited;
    await Promise.all(asked);
  }
  // No more is left behind than one temporary file of each round.
  const left = await readdir(path.join(directory.path, 'state/upstreams'));
  expect(left.filter((name) => !name.endsWith('.tmp'))).toEqual(['a.json']);
  expect(left.length).toBeLessThanOrEqual(7);
}, 60_000);

test('two processes on one state directory leave whole files', async () => {
  const names = ['a', 'b', 'c'];
  await using rig = await startRig(
    names.map((name) => ({ name })),
    { first: ok({ keys: good }) },
  );
  const other = await rig.again();
  for (const jwksd of [rig.jwksd, other]) await jwksd.all('FRESH');
  for (let round = 0; round < 5; round += 1) {
    rig.upstreams.setAll(names, ok(jwks('good', `round-${round}`)));
    for (const name of names) for (const jwksd of [rig.jwksd, other]) await jwksd.refresh(name);
    for (const name of names)
      for (const jwksd of [rig.jwksd, other]) {
        await jwksd.until(name, ({ attempts }) => (attempts['ok'] ?? 0) > round + 1);
      }
  }
  for (const jwksd of [rig.jwksd, other]) expect(await jwksd.server.stop()).toBe(0);
  rig.upstreams.setAll(names, status(503));
  const again = await rig.again();
  for (const name of names)
    expect(await again.kids(name)).toEqual(expect.arrayContaining(['good', 'round-4']));
  expect((await readdir(path.join(rig.directory, 'state/upstreams'))).toSorted()).toEqual(
    names.map((name) => `${name}.json`),
  );
}, 60_000);

/** Keys are served, the loss is told, and nothing stops. */
const survives = async (jwksd: Reader, upstreams: Upstreams): Promise<void> => {
  await jwksd.publishes('a', ['good', 'second']);
  expect(await jwksd.isReady()).toBe(true);
  await jwksd.until('a', () =>
    jwksd.server.log().some(({ msg }) => msg === 'last-known-good keys cannot be written'),
  );
  upstreams.set('a', ok(jwks('good', 'second', 'third')));
  await jwksd.refreshed('a');
  await jwksd.publishes('a', ['good', 'second', 'third']);
  expect(await jwksd.metric('jwksd_lkg_errors_total{source="a"}')).toBeGreaterThan(0);
  expect(await jwksd.metric('jwksd_lkg_writes_total{source="a"}')).toBe(0);
  expect(await jwksd.server.stop()).toBe(0);
};

describe('a state directory', () => {
  const source: SourceSpec[] = [{ name: 'a' }];
  const first = ok({ keys: good });

  test('that is a file costs the memory and nothing else', async () => {
    await using rig = await startRig(source, {
      first,
      before: async (_upstreams, directory) => {
        await mkdir(path.join(directory, 'state'));
        await writeFile(path.join(directory, 'state/upstreams'), 'a file');
      },
    });
    await survives(rig.jwksd, rig.upstreams);
  });

  test('that leads into a device without room', async () => {
    await using rig = await startRig(source, {
      first,
      before: async (_upstreams, directory) => {
        await mkdir(path.join(directory, 'state'));
        await symlink('/dev/full', path.join(directory, 'state/upstreams'));
      },
    });
    await survives(rig.jwksd, rig.upstreams);
  });

  test.runIf(mayMount)(
    'on a full disk costs the memory, and is written again when there is room (needs the right to mount a tmpfs)',
    async () => {
      await using disk = await smallDisk();
      await using rig = await startRig(source, {
        first,
        before: async (_upstreams, directory) => {
          await symlink(disk.path, path.join(directory, 'state'));
          await disk.fill();
        },
      });
      const { jwksd, upstreams } = rig;
      await jwksd.all('FRESH');
      await eventually(
        async () => (await jwksd.metric('jwksd_lkg_errors_total{source="a"}')) > 0 || undefined,
      );
      upstreams.set('a', ok(jwks('good', 'second', 'third')));
      await jwksd.refreshed('a');
      await jwksd.publishes('a', ['good', 'second', 'third']);
      expect(await jwksd.metric('jwksd_lkg_writes_total{source="a"}')).toBe(0);
      // Nothing half-written lies where the next start would look.
      expect(await readdir(path.join(disk.path, 'upstreams')).catch(() => [])).not.toContain('a.json');

      await disk.free();
      upstreams.set('a', ok(jwks('good', 'third')));
      await jwksd.refreshed('a');
      await written(jwksd, 'a');
      expect(await readFile(path.join(disk.path, 'upstreams/a.json'), 'utf8')).toContain('third');
      expect(await jwksd.server.stop()).toBe(0);
    },
  );

  test.runIf(process.getuid?.() === 0)(
    'that is read-only and belongs to somebody else is still read',
    async () => {
      const upstreams = await Upstreams.start();
      await using _closed = upstreams;
      await using directory = await temporaryDirectory();
      await chmod(directory.path, 0o755);
      upstreams.set('a', status(503));
      const file = path.join(directory.path, 'jwksd.yaml');
      const files = path.join(directory.path, 'state/upstreams');
      await mkdir(files, { recursive: true });
      await writeFile(file, configOf(upstreams, source, path.join(directory.path, 'state')));
      await writeFile(path.join(files, 'a.json'), remembered(upstreams.url('a'), good, Date.now()), {
        mode: 0o644,
      });
      await chmod(files, 0o555);
      await using server = await startJwksd(['--config', file], { cwd: directory.path, uid: 65_534 });
      const jwksd = new Reader(server);
      expect(await jwksd.kids('a')).toEqual(['good', 'second']);
      upstreams.set('a', ok({ keys: good }));
      await jwksd.driven('a', 'FRESH');
      await survives(jwksd, upstreams);
      expect((await readFile(path.join(files, 'a.json'), 'utf8')).length).toBeGreaterThan(100);
    },
  );

  test('that vanishes while it runs is made again', async () => {
    await using rig = await startRig(source, { first });
    await rig.jwksd.all('FRESH');
    await rm(path.join(rig.directory, 'state'), { recursive: true, force: true, maxRetries: 5 });
    rig.upstreams.set('a', ok(jwks('good', 'later')));
    await rig.jwksd.refreshed('a');
    await rig.jwksd.publishes('a', ['good', 'later']);
    expect(await rig.jwksd.server.stop()).toBe(0);
    expect(await readFile(path.join(rig.directory, 'state/upstreams/a.json'), 'utf8')).toContain('later');
  });
});
