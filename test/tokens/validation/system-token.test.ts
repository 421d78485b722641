import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from 'vitest';
import type { RefusalReason } from '../../../src/tokens/validation/outcome.ts';
import { SystemToken } from '../../../src/tokens/validation/system-token.ts';
import { ManualClock } from '../../fakes/clock.ts';
import { eventually, temporaryDirectory } from '../../fakes/jwksd.ts';
import { createLog } from '../../fakes/log.ts';

/** Tokens are their subject here; `!` and a reason is a refusal. */
const setUp = async (text: string | undefined) => {
  const directory = await temporaryDirectory();
  const file = path.join(directory.path, 'system.token');
  if (text !== undefined) await writeFile(file, text);
  const clock = new ManualClock();
  const { log, lines } = createLog();
  const systemToken = new SystemToken(
    {
      file,
      subject: 'okera',
      identify: async (token) =>
        await Promise.resolve(
          token.startsWith('!')
            ? { valid: false as const, reason: token.slice(1) as RefusalReason, hint: 'so it is' }
            : { sub: token, iss: undefined, issuer: 'x', claims: { exp: 1000 } },
        ),
    },
    { clock, log },
  );
  return { systemToken, clock, lines, file, [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose]() };
};

test('a system token is valid with the right subject, and tells when it ends', async () => {
  await using made = await setUp('okera\n');
  expect(await made.systemToken.look()).toEqual({ valid: true, expires: 1_000_000 });
});

test.each<[string | undefined, string, boolean]>([
  ['jane', 'other_subject', false],
  ['', 'unreadable', false],
  [undefined, 'unreadable', false],
  ['!expired', 'expired', false],
  ['!no_keys', 'no_keys', true],
  ['!remote_unavailable', 'remote_unavailable', true],
])('a file with %j is %s', async (text, reason, undecided) => {
  await using made = await setUp(text);
  expect(await made.systemToken.look()).toMatchObject({ valid: false, reason, undecided });
});

test('the file is followed, and the log tells of each change once and never of the token', async () => {
  await using made = await setUp('okera');
  const { systemToken, clock, lines, file } = made;
  for (const text of ['okera', '!expired', '!expired', 'okera']) {
    await writeFile(file, text);
    await systemToken.look();
  }
  expect(lines.map(({ level }) => level)).toEqual(['info', 'warn', 'info']);
  expect(JSON.stringify(lines)).not.toContain('!expired');
  systemToken.watch();
  await writeFile(file, '!expired');
  await clock.advance(10_000);
  await eventually(() => systemToken.state?.valid === false || undefined);
  systemToken.close();
  expect(clock.pending).toBe(0);
});
