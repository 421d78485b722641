import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { startNginx } from './peers/nginx.ts';
import { keyDirectory, workDirectory } from './support/keys.ts';
import { burst, loadTool, type Burst, type Target } from './support/load.ts';
import { get, peer, startJwksd, startServer, type Answer, type Server } from './support/process.ts';
import { median, print, printTable, range, shown, verdict } from './support/report.ts';

// Requests per second, latency and CPU per request of the hot documents, in turn with a bare node:http server that
// sends the same bytes, and with nginx where it is installed.

const rounds = 7;
const keys = 3;
const jwksPath = '/.well-known/jwks.json';

interface Case {
  readonly name: string;
  readonly target: Target;
}

const ask = async (server: Server, { path: at, headers }: Target): Promise<Answer> => {
  const answer = await get(`${server.url}${at}`, { ...headers });
  if (answer === undefined) throw new Error(`no answer from ${server.url}`);
  return answer;
};

const headerOf = (answer: Answer, name: string): string =>
  answer.headers[answer.headers.findIndex((each) => each.toLowerCase() === name) + 1] ?? '';

const jwksd = await startJwksd(keyDirectory(keys));
const plain = await ask(jwksd, { path: jwksPath, headers: {} });
const { keys: published } = JSON.parse(plain.body.toString()) as { keys: { kid: string }[] };
const digest = createHash('sha256')
  .update(published[0]?.kid ?? '')
  .digest('hex');
const cases: readonly Case[] = [
  { name: 'JWK Set', target: { path: jwksPath, headers: {} } },
  { name: 'JWK Set, gzip', target: { path: jwksPath, headers: { 'Accept-Encoding': 'gzip' } } },
  { name: 'PEM', target: { path: `/certs/${digest}.pem`, headers: {} } },
  { name: '304', target: { path: jwksPath, headers: { 'If-None-Match': headerOf(plain, 'etag') } } },
];

const answers = await Promise.all(cases.map(async ({ target }) => await ask(jwksd, target)));
const [jwksAnswer, gzipAnswer, pemAnswer] = answers;
if (jwksAnswer === undefined || gzipAnswer === undefined || pemAnswer === undefined)
  throw new Error('no answers');
if (answers.map(({ status }) => status).join(' ') !== '200 200 200 304')
  throw new Error('unexpected answers');

/** node:http decides nothing, so each answer has a path of its own, as long as the real one. */
const bareTarget = (index: number): Target => {
  const { path: real = '', headers = {} } = cases[index]?.target ?? {};
  return { path: `${real.slice(0, -1)}${index}`, headers };
};
// Node adds these itself, as it does for jwksd.
const automatic = new Set(['date', 'connection', 'keep-alive']);
const recorded = answers.map(({ status, headers, body }, index) => [
  bareTarget(index).path,
  {
    status,
    headers: headers.filter((_, at) => !automatic.has((headers[at - (at % 2)] ?? '').toLowerCase())),
    body: body.toString('base64'),
  },
]);
const recording = path.join(workDirectory(), 'answers.json');
writeFileSync(recording, JSON.stringify(Object.fromEntries(recorded)));
const bare = await startServer(bareTarget(0).path, (port) => [
  process.execPath,
  [peer('node-http'), String(port), recording],
]);

const nginx = await startNginx([
  { path: jwksPath, answer: jwksAnswer, gzip: gzipAnswer.body },
  { path: cases[2]?.target.path ?? '', answer: pemAnswer },
]);
const nginxEtag = nginx && headerOf(await ask(nginx, { path: jwksPath, headers: {} }), 'etag');

interface Contender {
  readonly name: string;
  readonly server: Server;
  readonly target: (index: number) => Target;
}

const own = (index: number): Target => cases[index]?.target ?? bareTarget(index);
const contenders: readonly Contender[] = [
  { name: 'jwksd', server: jwksd, target: own },
  { name: 'node:http', server: bare, target: bareTarget },
  ...(nginx === undefined
    ? []
    : [
        {
          name: 'nginx',
          server: nginx,
          target: (index: number): Target => {
            const { path: at, headers } = own(index);
            return headers['If-None-Match'] === undefined
              ? { path: at, headers }
              : { path: at, headers: { 'If-None-Match': nginxEtag ?? '' } };
          },
        },
      ]),
];

for (const [index, answer] of answers.entries()) {
  for (const { name, server, target } of contenders) {
    const given = await ask(server, target(index));
    const same = given.status === answer.status && given.body.equals(answer.body);
    if (!same) throw new Error(`${name} answers ${cases[index]?.name ?? ''} with something else`);
  }
}

print(`${rounds} rounds of 1 s for each server in turn, after one to warm up; ${loadTool}; ${keys} RSA keys`);
const results = new Map<string, Burst[]>();
const key = (index: number, name: string): string => `${index} ${name}`;
for (let round = 0; round <= rounds; round += 1) {
  for (const index of cases.keys()) {
    // Another order in every round, so that nobody always comes after the same one.
    const order = contenders.map((_, at) => contenders[(at + round) % contenders.length] ?? contenders[0]);
    for (const contender of order) {
      if (contender === undefined) continue;
      const result = await burst(contender.server, contender.target(index), 1);
      const list = results.get(key(index, contender.name)) ?? [];
      if (round > 0) list.push(result);
      results.set(key(index, contender.name), list);
    }
  }
}

const columns = [
  'answer',
  'server',
  'req/s',
  'lowest to highest',
  'p50 ms',
  'p99 ms',
  'CPU us/req',
  'errors',
];
const rows: string[][] = [];
const ratios: string[][] = [];
for (const [index, { name }] of cases.entries()) {
  const of = (server: string): readonly Burst[] => results.get(key(index, server)) ?? [];
  for (const contender of contenders) {
    const bursts = of(contender.name);
    const speeds = bursts.map(({ requestsPerSecond }) => requestsPerSecond);
    rows.push([
      name,
      contender.name,
      shown(median(speeds)),
      range(speeds),
      shown(median(bursts.map(({ p50 }) => p50)), 2),
      shown(median(bursts.map(({ p99 }) => p99)), 2),
      shown(median(bursts.map(({ cpu }) => cpu)), 1),
      String(bursts.reduce((sum, { errors }) => sum + errors, 0)),
    ]);
    if (contender.name === 'jwksd') continue;
    const ratio = (value: (one: Burst) => number): number =>
      median(of('jwksd').map((one, round) => value(one) / value(bursts[round] ?? one)));
    const speed = ratio(({ requestsPerSecond }) => requestsPerSecond);
    const p99 = ratio(({ p99: value }) => value);
    const judged = contender.name === 'node:http';
    ratios.push([
      name,
      `jwksd / ${contender.name}`,
      shown(speed, 2),
      judged ? `>= 0.95: ${verdict(speed >= 0.95)}` : '-',
      shown(p99, 2),
      judged ? `<= 1.05: ${verdict(p99 <= 1.05)}` : '-',
      shown(
        ratio(({ cpu }) => cpu),
        2,
      ),
    ]);
  }
}
printTable(columns, rows);
print('Median of the ratios of each round:');
printTable(['answer', 'of', 'req/s', 'target', 'p99', 'target', 'CPU'], ratios);

await Promise.all(contenders.map(async ({ server }) => await server.stop()));
