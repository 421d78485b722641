import { FakeUpstream } from '../test/fakes/upstream.ts';
import { cases, type Case, type Outcome } from './support/survival-cases.ts';
import { peerNames, startJwksdVerifier, startPeer, type Verifier } from './support/survival-client.ts';
import { makeSigner } from './support/survival-keys.ts';
import { print, printTable, shown } from './support/report.ts';

// The same misbehaving provider before jwksd and before the client libraries: whether a token of the provider's good key
// still verifies, how many requests the provider gets, how much memory grows. Each verifier has an upstream of its own.

// Every directory of the run is removed at the exit.
process.setMaxListeners(0);

const names = ['jwksd', ...peerNames] as const;
/** Cases at a time; verifiers of one case run side by side. */
const lanes = 3;

const run = async (one: Case, name: (typeof names)[number]): Promise<Outcome> => {
  await using upstream = await FakeUpstream.start();
  const url = upstream.url().href;
  let verifier: Verifier | undefined;
  const start = async (refresh?: string): Promise<Verifier> => {
    verifier = name === 'jwksd' ? await startJwksdVerifier(url, refresh) : await startPeer(name, url);
    return verifier;
  };
  try {
    return await one.run({ upstream, signer: await makeSigner('good'), start });
  } finally {
    await verifier?.stop();
  }
};

const begun = performance.now();
const results = new Map<Case, readonly Outcome[]>();
const queue = [...cases];
const lane = async (): Promise<void> => {
  for (let one = queue.shift(); one !== undefined; one = queue.shift()) {
    const current = one;
    results.set(current, await Promise.all(names.map(async (name) => await run(current, name))));
  }
};
await Promise.all(Array.from({ length: lanes }, lane));

/** How long one answer took, where that is what was measured. */
const waited = ({ ms, error }: Outcome): string =>
  error === 'no answer' ? ` (no answer in ${shown(ms / 1000)} s)` : ` (after ${shown(ms / 1000, 1)} s)`;

const usable = (outcome: Outcome, { slow = false }: Case): string => {
  const { good, total, note } = outcome;
  const much = good === total ? 'yes' : good === 0 ? 'no' : `${shown(good)} of ${shown(total)}`;
  return `${much}${slow ? waited(outcome) : ''}${note === undefined ? '' : `; ${note}`}`;
};

const table = (title: string, cell: (outcome: Outcome, one: Case) => string): void => {
  print(title);
  printTable(
    ['the provider, or its network', ...names],
    cases.map((one) => [one.name, ...(results.get(one) ?? []).map((outcome) => cell(outcome, one))]),
  );
};

print(
  `Node ${process.version}; 1,000 verifications, one after the other, in each case unless it says otherwise.`,
);
table('Does a token of the good key verify?', usable);
table('Requests the provider got:', ({ fetches }) => shown(fetches));
table('Growth of resident memory at its highest, MB:', ({ growth }) => shown(growth, 0));
print('Last error of each that failed:');
for (const one of cases) {
  for (const [index, { good, total, error }] of (results.get(one) ?? []).entries()) {
    if (good < total) print(`- ${one.name}: ${names[index]}: ${error}`);
  }
}
print('', `${shown((performance.now() - begun) / 1000)} s in all`);
