import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { eventually, root, startJwksd, temporaryDirectory } from '../fakes/jwksd.ts';
import { ecJwk } from '../fakes/keys.ts';
import { FakeUpstream, ok } from '../fakes/upstream.ts';

interface Rules {
  readonly groups: readonly {
    readonly rules: readonly { readonly alert: string; readonly expr: string }[];
  }[];
}

const namesIn = (text: string): string[] => [...new Set(text.match(/\bjwksd_[a-z_]+/gu))].sort();

test('every metric an alert asks for is in a real scrape, and operations.md tells of each alert', async () => {
  const rules = parse(await readFile(path.join(root, 'deploy/prometheus/alerts.yaml'), 'utf8')) as Rules;
  const alerts = rules.groups.flatMap((group) => group.rules);
  await using directory = await temporaryDirectory();
  await using upstream = await FakeUpstream.start({ handler: ok({ keys: [ecJwk('a')] }) });
  await using jwksd = await startJwksd(['--upstream', upstream.url().href], { cwd: directory.path });
  const scrape = await eventually(async () => {
    const text = await (await fetch(`${jwksd.opsUrl}/metrics`)).text();
    return text.includes('state="FRESH"} 1') ? text : undefined;
  });
  const declared = new Set([...scrape.matchAll(/^# TYPE (\S+)/gmu)].map(([, name]) => name));
  const asked = namesIn(alerts.map(({ expr }) => expr).join('\n'));
  expect(asked.length).toBeGreaterThan(8);
  expect(asked.filter((name) => !declared.has(name))).toEqual([]);

  const operations = await readFile(path.join(root, 'docs/operations.md'), 'utf8');
  expect(alerts.map(({ alert }) => alert).filter((name) => !operations.includes(name))).toEqual([]);
  // The reference of metrics there is complete.
  const ours = [...declared].filter((name) => name?.startsWith('jwksd_') === true);
  expect(ours.filter((name) => !operations.includes(name ?? ''))).toEqual([]);
});
