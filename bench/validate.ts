import { createLocalJWKSet, jwtVerify } from 'jose';
import { systemClock } from '../src/clock.ts';
import { VerifiedTokens } from '../src/tokens/validation/verified-tokens.ts';
import { noPolicy } from '../src/tokens/validation/policy.ts';
import { Validator, type ValidatorParts } from '../src/tokens/validation/validator.ts';
import { signer } from '../test/tokens/signer.ts';
import { quantile } from './support/registrations.ts';
import { median, print, printTable, range, shown, verdict } from './support/report.ts';

// Validations per second beside jose with a local set, 16 callers at once. Rounds alternate, and ratios are of neighbours,
// because the machine is never quiet. How long the event loop is held is told in time on the processor, from Node 24 on:
// what a busy machine adds to a timer is more than what is measured. The argument is the number of rounds.

const callers = 16;
const perRound = 1600;
const rounds = Number(process.argv[2] ?? 15);
const issuer = 'https://sso.example.org/realms/main';

interface Round {
  readonly rate: number;
  /** Microseconds on the processor for each token, all threads together. */
  readonly cpu: number;
  readonly durations: readonly number[];
  /** Milliseconds on the processor of each turn of the event loop in which a validation ended. */
  readonly held: readonly number[];
}

type Usage = { readonly user: number; readonly system: number };
const { threadCpuUsage } = process as { threadCpuUsage?: () => Usage };
/** Milliseconds the main thread was on the processor so far; not a number where Node does not tell. */
const onProcessor = (): number => {
  const usage = threadCpuUsage?.();
  return usage === undefined ? Number.NaN : (usage.user + usage.system) / 1000;
};

const run = async (
  tokens: readonly string[],
  validate: (token: string) => Promise<boolean>,
  probe = false,
): Promise<Round> => {
  const durations: number[] = [];
  const held: number[] = [];
  let next = 0;
  const call = async (): Promise<void> => {
    for (let token = tokens[next++]; token !== undefined; token = tokens[next++]) {
      const asked = performance.now();
      if (!(await validate(token))) throw new Error('a good token was refused');
      durations.push(performance.now() - asked);
    }
  };
  let before = { used: onProcessor(), ended: 0 };
  const turn = (): void => {
    const now = { used: onProcessor(), ended: durations.length };
    if (now.ended > before.ended) held.push(now.used - before.used);
    before = now;
    if (durations.length < tokens.length) setImmediate(turn);
  };
  const used = process.cpuUsage();
  const start = performance.now();
  const calls = Promise.all(Array.from({ length: callers }, call));
  if (probe) setImmediate(turn);
  await calls;
  const seconds = (performance.now() - start) / 1000;
  const { user, system } = process.cpuUsage(used);
  return { rate: tokens.length / seconds, cpu: (user + system) / tokens.length, durations, held };
};

const measure = async (alg: string): Promise<{ cells: string[]; ratio: number; p99: number }> => {
  const idp = signer(alg, 'idp');
  const now = Math.floor(Date.now() / 1000);
  const tokens = Array.from({ length: perRound }, (_, n) =>
    idp.token({
      iss: issuer,
      sub: `f3b0c1d2-0000-4000-8000-${String(n).padStart(12, '0')}`,
      aud: ['account', 'wiki'],
      iat: now,
      exp: now + 3600,
      scope: 'openid profile email',
      preferred_username: `user${n}`,
      groups: ['staff', 'wiki-editors'],
    }),
  );
  const own = [idp.key];
  const parts: ValidatorParts = {
    clock: systemClock,
    issuers: [
      {
        name: 'main',
        issuer,
        keys: () => own,
        demand: async () => await Promise.resolve(),
        algorithms: [alg],
        audience: ['account'],
        clockSkew: 5000,
        allowNoExp: false,
      },
    ],
    groups: { claim: 'groups', order: ['claim'] },
  };
  const validator = new Validator(parts);
  const verified = new VerifiedTokens({ maxEntries: perRound, ttl: 60_000 }, systemClock);
  const remembering = new Validator({ ...parts, verified });
  const remembered = async (token: string): Promise<boolean> =>
    (await remembering.validate(token, noPolicy)).valid;
  const ours = async (token: string): Promise<boolean> => (await validator.validate(token, noPolicy)).valid;
  const keys = createLocalJWKSet({ keys: [idp.publicJwk] });
  const demands = {
    issuer,
    audience: 'account',
    algorithms: [alg],
    clockTolerance: 5,
    requiredClaims: ['exp'],
  };
  const theirs = async (token: string): Promise<boolean> =>
    (await jwtVerify(token, keys, demands)).payload.sub !== undefined;

  const first = performance.now();
  await ours(tokens[0] ?? '');
  const cold = performance.now() - first;
  await run(tokens, ours);
  await run(tokens, theirs);
  const pairs: { ours: Round; theirs: Round }[] = [];
  for (let round = 0; round < rounds; round += 1) {
    if (round % 2 === 0) {
      pairs.push({ ours: await run(tokens, ours), theirs: await run(tokens, theirs) });
    } else {
      const second = await run(tokens, theirs);
      pairs.push({ ours: await run(tokens, ours), theirs: second });
    }
  }
  await run(tokens, remembered);
  const cached: Round[] = [];
  for (let round = 0; round < rounds; round += 1) cached.push(await run(tokens, remembered));
  const ratios = pairs.map((pair) => pair.ours.rate / pair.theirs.rate);
  // In rounds of their own: a probe in every turn takes time of its own.
  const held = async (validate: typeof ours): Promise<number> => {
    const { held: turns } = await run(tokens, validate, true);
    return quantile(turns, 0.99);
  };
  const p99 = await held(ours);
  const cells = [
    alg,
    shown(median(pairs.map((pair) => pair.ours.rate))),
    shown(median(pairs.map((pair) => pair.theirs.rate))),
    shown(median(ratios), 2),
    range(ratios, 2),
    shown(median(pairs.map((pair) => pair.ours.cpu))),
    shown(median(pairs.map((pair) => pair.theirs.cpu))),
    shown(median(pairs.map((pair) => quantile(pair.ours.durations, 0.99))), 1),
    shown(median(pairs.map((pair) => quantile(pair.theirs.durations, 0.99))), 1),
    shown(p99, 2),
    shown(await held(theirs), 2),
    shown(cold, 1),
    shown(median(cached.map(({ rate }) => rate))),
    shown(median(cached.map(({ cpu }) => cpu))),
  ];
  return { cells, ratio: median(ratios), p99 };
};

const measured = [];
for (const alg of ['RS256', 'ES256', 'EdDSA']) measured.push(await measure(alg));
printTable(
  [
    'alg',
    'jwksd/s',
    'jose/s',
    'ratio',
    'of rounds',
    'CPU µs',
    'jose',
    'p99 ms',
    'jose',
    'loop held p99 ms',
    'jose',
    'first ms',
    'remembered/s',
    'CPU µs',
  ],
  measured.map(({ cells }) => cells),
);
print(
  `at least 0.9 of jose: ${verdict(measured.every(({ ratio }) => ratio >= 0.9))}`,
  `event loop held for at most 5 ms at p99: ${threadCpuUsage === undefined ? 'not told by this Node' : verdict(measured.every(({ p99 }) => p99 <= 5))}`,
);
