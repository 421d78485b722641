import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { temporaryDirectory, type Running } from '../../fakes/jwksd.ts';
import { runProgram } from '../../tools/programs.ts';
import { startValidator, token } from '../gateway.ts';

/** Ends with its output; `go` needs the caches of whoever runs the tests. */
const run = async (command: string, args: readonly string[]): Promise<{ code: number; output: string }> => {
  const child = spawn(command, args, { cwd: import.meta.dirname, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code: code ?? 1, output };
};

interface Told {
  readonly ok: boolean;
  readonly error?: string;
  readonly name?: string;
  readonly groups?: readonly string[] | null;
  readonly audiences?: readonly string[] | null;
}

const directory = await temporaryDirectory();
const program = path.join(directory.path, 'webhook');
const hasGo = runProgram('go', ['version']).code === 0;
const built = hasGo ? await run('go', ['build', '-o', program, '.']) : { code: 1, output: '' };
const why = hasGo
  ? ' (skipped: the modules of k8s.io/apiserver cannot be had here)'
  : ' (skipped: go cannot be had here; Debian has it in the package golang-go)';

// Skipped suites have no afterAll.
if (built.code !== 0) await directory[Symbol.asyncDispose]();

/** The webhook authenticator of k8s.io/apiserver, which is what an API server asks with. */
describe.skipIf(built.code !== 0)(`a Kubernetes API server${built.code === 0 ? '' : why}`, () => {
  let jwksd: Running;
  beforeAll(async () => void (jwksd = await startValidator(directory.path)));
  afterAll(async () => {
    await jwksd[Symbol.asyncDispose]();
    await directory[Symbol.asyncDispose]();
  });

  const ask = async (audiences: string, ...tokens: string[]): Promise<Told[]> => {
    const { output } = await run(program, [`${jwksd.url}/tokenreview`, audiences, ...tokens]);
    return output
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Told);
  };

  test('learns who a good token is of', async () => {
    const groups = ['staff', 'system:masters'];
    expect(await ask('', token({ sub: 'jané', groups }), token())).toEqual([
      { ok: true, name: 'jané', groups, audiences: null },
      { ok: true, name: 'jane', groups: [], audiences: null },
    ]);
  });

  test('authenticates nobody with a bad token, and takes that for no error', async () => {
    const bad = ['x', token({ exp: 5 }), token({ iss: 'https://evil.example' }), token({ sub: '' })];
    expect(await ask('', ...bad)).toEqual(bad.map(() => ({ ok: false })));
  });

  test('accepts the audiences that both have', async () => {
    const [both, none, without] = await ask('a,b', token({ aud: ['b', 'c'] }), token({ aud: 'c' }), token());
    expect(both).toEqual({ ok: true, name: 'jane', groups: [], audiences: ['b'] });
    expect(none).toMatchObject({ ok: false });
    expect(without).toMatchObject({ ok: false });
  });
});
