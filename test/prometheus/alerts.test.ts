import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { FakeUpstream, ok, status } from '../fakes/upstream.ts';
import { eventually, startJwksd, temporaryDirectory } from '../fakes/jwksd.ts';
import { ecJwk } from '../fakes/keys.ts';

const folder = fileURLToPath(new URL('../../deploy/prometheus/', import.meta.url));
const promtool = (args: readonly string[], input?: string) =>
  spawnSync('promtool', args, { cwd: folder, encoding: 'utf8', ...(input === undefined ? {} : { input }) });
const missing = promtool(['--version']).error !== undefined;
const why = missing
  ? ' (skipped: promtool is not on this machine; Debian has it in the package prometheus)'
  : '';

describe.skipIf(missing)(`promtool${why}`, () => {
  test('accepts the alert rules', () => {
    const { status: code, stdout, stderr } = promtool(['check', 'rules', 'alerts.yaml']);
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toContain('SUCCESS');
  });

  test('sees each alert fire for its trouble and none fire without', () => {
    const { status: code, stdout, stderr } = promtool(['test', 'rules', 'alerts.test.yaml']);
    expect(code, stdout + stderr).toBe(0);
  });

  test('finds nothing to complain about in a real scrape, with a source that works and one that fails', async () => {
    await using directory = await temporaryDirectory();
    await using good = await FakeUpstream.start({ handler: ok({ keys: [ecJwk('a')] }) });
    await using bad = await FakeUpstream.start({ handler: status(500) });
    await using jwksd = await startJwksd(
      ['--upstream', `good=${good.url().href}`, '--upstream', `bad=${bad.url().href}`],
      { cwd: directory.path },
    );
    const scrape = await eventually(async () => {
      const text = await (await fetch(`${jwksd.opsUrl}/metrics`)).text();
      return text.includes('source="bad",result="http_5xx"') && text.includes('source="good",result="ok"')
        ? text
        : undefined;
    });
    const { status: code, stdout, stderr } = promtool(['check', 'metrics'], scrape);
    // Names that start with nodejs_ and process_ are the runtime library's.
    const ours = `${stdout}${stderr}`.split('\n').filter((line) => line.includes('jwksd_'));
    expect(ours).toEqual([]);
    expect(code).not.toBe(1);
  });
});
