import { lintRules } from '../jwk/lint-rules.ts';
import type { Finding } from '../jwk/lint.ts';
import type { WithheldReason } from '../keyring/snapshot.ts';
import type { SourceStatus } from '../sources/source.ts';
import type { SystemTokenState } from '../tokens/validation/system-token.ts';
import { table } from './table.ts';

/** What `check` found of one set. */
export interface SetReport {
  readonly name: string;
  readonly profile: string;
  readonly keys: number;
  /** How many keys of its sources it does not publish; `left` names them. */
  readonly withheld: number;
  readonly left: readonly {
    readonly source: string;
    readonly key: string;
    readonly reason: WithheldReason;
  }[];
  readonly serves: boolean;
  readonly reason: string | undefined;
  readonly findings: readonly Finding[];
}

/** Keys of one set that are named; the others are counted. */
const longestList = 20;

/** The report for people: sources and sets in one table, then what is to be said of each. */
export const checkReport = (
  statuses: readonly SourceStatus[],
  sets: readonly SetReport[],
  {
    offline,
    systemToken,
  }: { readonly offline: boolean; readonly systemToken?: SystemTokenState | undefined },
): string => {
  const rows = [
    ...statuses.map((status) => sourceRow(status, offline && status.state === 'INIT')),
    ...sets.map(setRow),
  ];
  return [
    table(['SOURCE OR SET', 'TYPE OR PROFILE', 'STATE', 'KEYS', 'LEFT OUT', 'REMARK'], rows),
    ...statuses.flatMap(sourceLines),
    ...sets.flatMap(setLines),
    ...(systemToken === undefined ? [] : [systemTokenLine(systemToken)]),
  ].join('');
};

const systemTokenLine = (state: SystemTokenState): string => {
  if (state.valid) return '  the system token is valid\n';
  const verdict = state.undecided ? 'cannot be judged now' : 'IS NOT VALID';
  return `  the system token ${verdict}: ${state.reason}: ${state.hint}\n`;
};

const sourceRow = (
  { name, type, state, keys, rejected, lastError, origin }: SourceStatus,
  unchecked: boolean,
): readonly string[] => {
  const count = Object.values(rejected).reduce((sum, n) => sum + n, 0);
  const remark = unchecked ? 'not checked' : state === 'FRESH' ? '' : (lastError?.detail ?? '');
  const where = remark === '' ? origin : `${origin}: ${remark}`;
  return [name, type, unchecked ? '-' : state, String(keys), String(count), where];
};

const setRow = ({ name, profile, keys, withheld, serves, reason }: SetReport): readonly string[] => {
  const verdict = serves ? 'serves' : 'DOES NOT SERVE';
  return [name, profile, verdict, String(keys), String(withheld), reason ?? ''];
};

const sourceLines = ({ name, notes, rejected }: SourceStatus): readonly string[] => {
  const reasons = Object.entries(rejected).map(([reason, count]) => `${reason} ${count}`);
  return [
    ...(reasons.length === 0 ? [] : [`  ${name}: rejected: ${reasons.join(', ')}\n`]),
    ...notes.map((note) => `  ${name}: ${note}\n`),
  ];
};

const setLines = ({ name, left, findings }: SetReport): readonly string[] => [
  ...left
    .slice(0, longestList)
    .map(({ source, key, reason }) => `  ${name}: withheld ${key} of ${source}: ${reason}\n`),
  ...(left.length > longestList ? [`  ${name}: and ${left.length - longestList} more\n`] : []),
  ...findings.flatMap(({ level, code, detail, kid }) => [
    `  ${name}: ${level} ${code}${kid === undefined ? '' : ` (${kid})`}: ${detail}\n`,
    `    next: ${lintRules[code].help}\n`,
  ]),
];
