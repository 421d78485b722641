import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from 'vitest';
import { root, temporaryDirectory } from '../fakes/jwksd.ts';
import { run } from './world.ts';

test('config schema prints what config/jwksd.schema.json holds', async () => {
  const { code, stdout, stderr } = await run(['config', 'schema']);
  expect([code, stderr]).toEqual([0, '']);
  const file = await readFile(path.join(root, 'config/jwksd.schema.json'), 'utf8');
  expect(JSON.parse(stdout)).toEqual(JSON.parse(file));
});

test('config print tells each value with its origin: file, environment, flag or default', async () => {
  await using directory = await temporaryDirectory();
  const file = path.join(directory.path, 'jwksd.yaml');
  await writeFile(file, 'server: { host: "::1", port: 1 }\nsources: { mine: { type: files, path: keys } }\n');
  const world = { cwd: directory.path, env: { JWKSD_SERVER__PORT: '2', JWKSD_OPS__PORT: '3' } };
  const argv = ['config', 'print', '-c', 'jwksd.yaml', '--ops-port', '4'];
  const { code, stdout } = await run(argv, world);
  expect(code).toBe(0);
  const line = (key: string): string => stdout.split('\n').find((each) => each.includes(`${key}:`)) ?? '';
  expect(line('  host')).toMatch(/::1.*jwksd\.yaml/u);
  expect(stdout).toMatch(/port: 2 .*JWKSD_SERVER__PORT/u);
  expect(stdout).toMatch(/port: 4 .*--ops-port/u);
  expect(line('requestTimeout')).toMatch(/10s.*default/u);

  const asJson = await run([...argv, '--json'], world);
  expect(asJson.code).toBe(0);
  expect(() => void JSON.parse(asJson.stdout)).not.toThrow();
});

test('JWKSD_CONFIG names the file, and --config goes before it', async () => {
  await using directory = await temporaryDirectory();
  for (const name of ['a', 'b']) {
    await writeFile(
      path.join(directory.path, name),
      `sources: { ${name}: { type: files, path: ${name}-keys } }\n`,
    );
  }
  const world = { cwd: directory.path, env: { JWKSD_CONFIG: path.join(directory.path, 'a') } };
  expect((await run(['config', 'print'], world)).stdout).toContain('a-keys');
  expect((await run(['config', 'print', '--config', 'b'], world)).stdout).toContain('b-keys');
});
