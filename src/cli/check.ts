import { systemClock } from '../clock.ts';
import type { Config } from '../config/config.ts';
import { excerpt } from '../jwk/excerpt.ts';
import { lintSet } from '../jwk/lint.ts';
import { buildSnapshot, emptySnapshot } from '../keyring/build.ts';
import { DenyList } from '../keyring/deny-list.ts';
import type { SetSnapshot, Snapshot } from '../keyring/snapshot.ts';
import type { Source, SourceStatus } from '../sources/source.ts';
import type { SystemTokenState } from '../tokens/validation/system-token.ts';
import { checkReport, type SetReport } from './check-report.ts';
import { isSet, type Io, type Parsed } from './command.ts';
import { loadOrThrow } from './configuration.ts';
import { createLog } from './log.ts';
import { setSpecs, SourceFactory } from './sources.ts';
import { printable } from './printable.ts';

/** Runs `jwksd check`: would this configuration serve, and would its clients like it? */
export const check = async (parsed: Parsed, io: Io): Promise<number> => {
  const { config, warnings } = await loadOrThrow(parsed, io);
  const offline = isSet(parsed, 'offline');
  for (const warning of warnings) io.stderr.write(`warning: ${warning}\n`);
  const { statuses, sets, systemToken } = await judge(config, offline);
  if (isSet(parsed, 'json'))
    io.stdout.write(
      `${printable({ warnings, sources: statuses, sets, ...(systemToken === undefined ? {} : { systemToken }) })}\n`,
    );
  else io.stdout.write(checkReport(statuses, sets, { offline, systemToken }));
  const errors =
    sets.some(({ serves, findings }) => !serves || findings.some(({ level }) => level === 'error')) ||
    (systemToken?.valid === false && !systemToken.undecided);
  const odd =
    warnings.length > 0 ||
    systemToken?.valid === false ||
    sets.some(({ findings }) => findings.length > 0) ||
    statuses.some(({ notes }) => notes.length > 0);
  return errors || (odd && isSet(parsed, 'strict')) ? 1 : 0;
};

interface Judged {
  readonly statuses: SourceStatus[];
  readonly sets: SetReport[];
  /** Undefined where the configuration names none. */
  readonly systemToken: SystemTokenState | undefined;
}

const judge = async (config: Config, offline: boolean): Promise<Judged> => {
  const silent = await createLog({ level: 'silent', pretty: false });
  // What a check learns is not remembered: only the server writes the state directory.
  const seen: Config = offline ? config : { ...config, state: { dir: null } };
  const sources: Source[] = await new SourceFactory(systemClock, silent).all(seen, { scheduled: false });
  await Promise.all(
    sources.map(async (source) => {
      await source.start(() => undefined);
      if (!offline) await source.refresh('schedule');
    }),
  );
  const snapshot = await buildSnapshot({
    sets: setSpecs(config.sets),
    sources: new Map(sources.map((source) => [source.name, source.current])),
    denied: (await DenyList.open(config.state.dir)).thumbprints,
    previous: emptySnapshot,
    wall: systemClock.wall(),
  });
  const statuses = sources.map((source) => source.status());
  await Promise.all(sources.map(async (source) => await source.close()));
  const systemToken = await systemTokenWith(config, { snapshot, statuses, offline });
  return { statuses, sets: [...snapshot.sets.values()].map(setReport), systemToken };
};

/** Judges the system token with the keys at hand; offline, its server is not asked. */
const systemTokenWith = async (
  { validation }: Config,
  found: {
    readonly snapshot: Snapshot;
    readonly statuses: readonly SourceStatus[];
    readonly offline: boolean;
  },
): Promise<SystemTokenState | undefined> => {
  if (validation === null || validation.okera === null || validation.okera.systemToken === null)
    return undefined;
  const { snapshot, statuses, offline } = found;
  const { openValidation } = await import('./validation.ts');
  const okera = offline ? { ...validation.okera, authenticationServerUrl: null } : validation.okera;
  const { systemToken } = await openValidation(
    { ...validation, okera },
    {
      log: await createLog({ level: 'silent', pretty: false }),
      keyring: {
        current: snapshot,
        demand: async () => await Promise.resolve([]),
        leftAt: () => undefined,
        denied: () => [],
        sourceStatuses: () => statuses,
      },
    },
  );
  return await systemToken?.look();
};

const setReport = (set: SetSnapshot): SetReport => {
  const { name, profile, keys, withheld, document, refusal, missing } = set;
  const reason = refusal ?? (document === undefined ? 'its sources have no key to publish' : undefined);
  const degraded = missing.length > 0 ? `without ${missing.join(', ')}` : undefined;
  return {
    name,
    profile,
    keys: keys.length,
    withheld: withheld.length,
    left: withheld.map(({ source, kid, thumbprint, reason: why }) => ({
      source,
      key: excerpt(kid) ?? thumbprint,
      reason: why,
    })),
    serves: document !== undefined,
    reason: reason ?? degraded,
    findings: document === undefined ? [] : lintSet(document.identity.body, { profile }),
  };
};
