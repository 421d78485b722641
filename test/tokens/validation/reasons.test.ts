import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { isPolicy, type RefusalReason } from '../../../src/tokens/validation/outcome.ts';

/** Every reason there is; the compiler misses one that is not here. */
const reasons = {
  no_token: true,
  too_large: true,
  opaque: true,
  malformed: true,
  unsupported_crit: true,
  alg_refused: true,
  unknown_issuer: true,
  no_keys: true,
  unknown_kid: true,
  alg_mismatch: true,
  bad_signature: true,
  bad_claim: true,
  no_exp: true,
  expired: true,
  not_yet_valid: true,
  bad_sub: true,
  bad_groups: true,
  bad_audience: true,
  remote_refused: true,
  remote_unavailable: true,
  policy_audience: true,
  policy_scope: true,
  policy_group: true,
  groups_unavailable: true,
} satisfies Record<RefusalReason, true>;

test('docs/validation.md lists every reason with its status, and no other', async () => {
  const page = await readFile(new URL('../../../docs/validation.md', import.meta.url), 'utf8');
  const table = page.slice(page.indexOf('## Reasons'));
  const documented = [...table.matchAll(/^\| `(\w+)` +\| (\d{3})/gmu)].map(([, reason, status]) => [
    reason,
    status,
  ]);
  const all = (Object.keys(reasons) as RefusalReason[]).map((reason) => [
    reason,
    isPolicy(reason) ? '403' : '401',
  ]);
  expect(documented).toHaveLength(all.length);
  expect(documented).toEqual(expect.arrayContaining(all));
});
