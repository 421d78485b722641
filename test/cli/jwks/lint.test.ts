import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Log } from 'sarif';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { lintRules } from '../../../src/jwk/lint-rules.ts';
import { makeSigner, setOf } from '../../acceptance/signer.ts';
import { temporaryDirectory } from '../../fakes/jwksd.ts';
import { FakeUpstream, byPath, encoded, ok, redirect } from '../../fakes/upstream.ts';
import { run } from '../world.ts';

let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
beforeEach(async () => {
  directory = await temporaryDirectory();
});
afterEach(async () => await directory[Symbol.asyncDispose]());

const set = setOf(await makeSigner('RS256', 'main'));
const good = JSON.stringify(set, undefined, 2);
const lint = async (content: string | Buffer, ...flags: string[]) => {
  await writeFile(path.join(directory.path, 'set.json'), content);
  return await run(['jwks', 'lint', 'set.json', ...flags], { cwd: directory.path });
};
interface Report {
  readonly errors: number;
  readonly warnings: number;
  readonly findings: readonly { code: string; line?: number; column?: number }[];
}
const codes = (stdout: string) => (JSON.parse(stdout) as Report).findings.map(({ code }) => code);

test('findings are lines that an editor can follow', async () => {
  const { code, stdout, stderr } = await lint(`// ours\n${good}`, '--profile', 'generic');
  expect(code).toBe(1);
  expect(stdout.split('\n')[0]).toBe(
    'set.json:1:1: error: the document has comments, which JSON does not know [comment]',
  );
  expect(stdout).toMatch(/^set\.json: warning: .* \[kid-not-thumbprint\]$/mu);
  expect(stderr).toBe('set.json: 1 error, 1 warning\n');
});

test('warnings end with 0, and with 1 under --strict', async () => {
  expect((await lint(good)).code).toBe(0);
  expect((await lint(good, '--strict')).code).toBe(1);
});

test('--as judges for these clients alone', async () => {
  const mixed = JSON.stringify({ keys: [{ kty: 'LWE', kid: 'x' }, ...(set as { keys: unknown[] }).keys] });
  expect(codes((await lint(mixed, '--json', '--as', 'jitsi')).stdout)).not.toContain('mixed-kty');
  expect(codes((await lint(mixed, '--json', '--as', 'jitsi', '--as', 'opencast')).stdout)).toContain(
    'mixed-kty',
  );
});

test('--previous tells a kid that is used again', async () => {
  await writeFile(
    path.join(directory.path, 'old.json'),
    JSON.stringify(setOf(await makeSigner('RS256', 'main'))),
  );
  expect(codes((await lint(good, '--json', '--previous', 'old.json')).stdout)).toContain('kid-reused');
});

describe('documents that are hard to read are judged', () => {
  test.each<[string, string | Buffer, string]>([
    ['empty', '', 'not-json'],
    ['UTF-16', Buffer.from('\ufeff{}', 'utf16le'), 'not-utf8'],
    ['invalid UTF-8', Buffer.from([0x7b, 0xff, 0x7d]), 'not-utf8'],
    ['nested deep', `{"keys":${'['.repeat(100_000)}`, 'not-json'],
    ['5 MB of one string', `{"keys":[],"x":"${'x'.repeat(5e6)}"}`, 'too-large'],
    ['5 MB of slashes', '/'.repeat(5e6), 'not-json'],
    ['5 MB of entries', `{"keys":[${'7,'.repeat(2.5e6)}7]}`, 'malformed-key'],
    ['a PEM', '-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n', 'not-json'],
  ])('%s', async (_, content, expected) => {
    const { code, stdout } = await lint(content, '--json');
    expect(codes(stdout)).toContain(expected);
    expect(code).toBe(expected === 'too-large' ? 0 : 1);
  });
});

describe('--sarif', () => {
  test('is a log of SARIF 2.1.0 with a rule for every code and a place for what has one', async () => {
    const { code, stdout } = await lint(
      `\ufeff${good.replace('"RS256"', '"ES256"')}`,
      '--sarif',
      '--as',
      'generic',
    );
    expect(code).toBe(1);
    const log = JSON.parse(stdout) as Log;
    expect(log.version).toBe('2.1.0');
    const [first] = log.runs;
    const rules = first?.tool.driver.rules ?? [];
    expect(rules.map(({ id }) => id)).toEqual(Object.keys(lintRules));
    for (const rule of rules) {
      expect(rule.shortDescription?.text).toMatch(/\S\.$/u);
      expect(rule.help?.text).toMatch(/\S\.$/u);
    }
    const results = first?.results ?? [];
    expect(results.map(({ ruleId }) => ruleId)).toEqual([
      'byte-order-mark',
      'alg-mismatch',
      'kid-not-thumbprint',
    ]);
    expect(results.map(({ ruleIndex = -1 }) => rules[ruleIndex]?.id)).toEqual(
      results.map(({ ruleId }) => ruleId),
    );
    expect(results.map(({ level }) => level)).toEqual(['error', 'error', 'warning']);
    expect(results.map(({ locations }) => locations?.[0]?.physicalLocation)).toEqual([
      { artifactLocation: { uri: 'set.json' }, region: { startLine: 1, startColumn: 1 } },
      { artifactLocation: { uri: 'set.json' }, region: { startLine: 3, startColumn: 5 } },
      { artifactLocation: { uri: 'set.json' } },
    ]);
  });

  test('writes file names as URI references', async () => {
    await writeFile(path.join(directory.path, 'a set #1.json'), '');
    const file = path.join(directory.path, 'a set #1.json');
    for (const [where, uri] of [
      ['a set #1.json', 'a%20set%20%231.json'],
      [file, `file://${directory.path}/a%20set%20%231.json`],
    ] as const) {
      const { stdout } = await run(['jwks', 'lint', where, '--sarif'], { cwd: directory.path });
      const location = (JSON.parse(stdout) as Log).runs[0]?.results?.[0]?.locations?.[0];
      expect(location?.physicalLocation?.artifactLocation?.uri).toBe(uri);
    }
  });
});

describe('a URL', () => {
  test('is judged with the way it answers, its redirects followed', async () => {
    await using upstream = await FakeUpstream.start();
    upstream.handler = byPath({
      '/old': redirect('/moved?token=geheim'),
      '/moved': redirect('/jwks.json', 308),
      '/jwks.json': encoded('gzip', set),
    });
    const { code, stdout } = await run([
      'jwks',
      'lint',
      upstream.url('/old').href,
      '--json',
      '--as',
      'octoka',
    ]);
    expect(code).toBe(0);
    expect(codes(stdout)).toEqual([
      'kid-not-thumbprint',
      'redirect',
      'redirect',
      'cache-missing',
      'compressed',
    ]);
    expect(stdout).not.toContain('geheim');
  });

  test('without a defect has no finding', async () => {
    await using upstream = await FakeUpstream.start({
      handler: ok({ keys: [] }, { 'cache-control': 'max-age=300' }),
    });
    const { code, stdout } = await run(['jwks', 'lint', upstream.url().href, '--json']);
    expect([code, codes(stdout)]).toEqual([0, ['empty-set']]);
  });

  test.each([
    ['/round', 'in a loop'],
    ['http://user:pw@127.0.0.1/', 'a URL with a user name'],
    ['file:///etc/passwd', 'redirects to file:/etc/passwd'],
  ])('that redirects to %s fails and says so', async (target, words) => {
    await using upstream = await FakeUpstream.start({ handler: redirect(target) });
    const { code, stderr } = await run(['jwks', 'lint', upstream.url('/round').href]);
    expect(code).toBe(1);
    expect(stderr).toContain(words);
    expect(stderr).not.toContain('pw');
  });

  test('that redirects in a circle, or elsewhere than to the web, fails', async () => {
    await using upstream = await FakeUpstream.start();
    for (const target of ['/jwks.json', 'ftp://a.example/']) {
      upstream.handler = redirect(target);
      upstream.requests.length = 0;
      const { code, stdout, stderr } = await run(['jwks', 'lint', upstream.url().href]);
      expect([code, stdout]).toEqual([1, '']);
      expect(stderr).toMatch(/redirects (?:to|in a loop)/u);
      expect(upstream.requests.length).toBeLessThan(10);
    }
  });
});

test.each([
  [['jwks', 'lint']],
  [['jwks', 'lint', 'a', 'b']],
  [['jwks', 'lint', 'a', '--json', '--sarif']],
  [['jwks', 'lint', 'a', '--as', 'jitsi', '--profile', 'jitsi']],
  [['jwks', 'lint', 'a', '--as', 'jisti']],
])('%j is wrong usage', async (argv) => {
  expect((await run(argv)).code).toBe(2);
});
