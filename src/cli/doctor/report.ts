import { masked } from '../printable.ts';
import { table } from '../table.ts';
import type { ClientReport, Report } from './examine.ts';
import type { KeyVerdict, Note, Said } from './judgement.ts';

/** Whether the client gets no key it could use. */
export const isSick = ({ irrelevant, keys }: ClientReport): boolean =>
  !irrelevant && !keys.some(({ taken }) => taken);

/** Whether anything at all is worth a word: what `--strict` fails on. */
export const hasFindings = ({ clients, findings }: Report): boolean =>
  findings.length > 0 || clients.some((client) => !client.irrelevant && notesOf(client).length > 0);

/** Whether a client refuses the token. */
export const refusesToken = ({ irrelevant, token }: ClientReport): boolean =>
  !irrelevant && token?.accepted === false;

const notesOf = ({ keys, notes, token }: ClientReport): readonly Note[] => [
  ...notes,
  ...keys.flatMap(({ why }) => (why === undefined ? [] : [why])),
  ...(token?.notes ?? []),
];

/** The report for people: one table, then each client with its keys. */
export const asText = (url: string, report: Report): string => {
  const rows = report.clients.map((client) => [client.title, verdictOf(client), client.id]);
  const parts = [
    `${clean(url)}\n\n`,
    table(['CLIENT', 'VERDICT', '--as'], rows),
    ...report.clients.map(section),
  ];
  if (report.findings.length > 0) {
    parts.push('\nThe set itself\n');
    for (const { level, code, detail, kid } of report.findings)
      parts.push(`  ${level} ${code}${kid === undefined ? '' : ` (${clean(kid)})`}: ${clean(detail)}\n`);
  }
  return parts.join('');
};

const verdictOf = (client: ClientReport): string => {
  if (client.irrelevant) return 'not for it: no key of a type it knows';
  const count = `${client.keys.filter(({ taken }) => taken).length} of ${client.keys.length} keys`;
  const token =
    client.token === undefined ? '' : client.token.accepted ? ', takes the token' : ', REFUSES THE TOKEN';
  return isSick(client) ? `NO USABLE KEY${token}` : `takes ${count}${token}`;
};

const section = (client: ClientReport): string => {
  if (client.irrelevant) return '';
  const { title, keys, notes, token } = client;
  const lines = [
    `\n${title}\n`,
    ...keys.map((key) => keyLines(key, notes)),
    ...notes.map((note) => noteLines(note, '  ')),
  ];
  if (token !== undefined) {
    const by = token.by === undefined ? '' : `, signed with ${clean(token.by)}`;
    lines.push(
      `  token ${token.accepted ? 'accepted' : 'refused'}${by}\n`,
      ...token.notes.map((note) => noteLines(note, '    ')),
    );
  }
  return lines.join('');
};

const keyLines = ({ label, kty, alg, taken, why }: KeyVerdict, notes: readonly Note[]): string => {
  const what = [kty, alg].filter((each) => each !== undefined).map((each) => clean(each, 24));
  const head = `  ${taken ? 'taken    ' : 'not taken'}  ${[clean(label), ...what].join(' ')}\n`;
  return why === undefined || notes.includes(why) ? head : `${head}${noteLines(why, '      ')}`;
};

const noteLines = ({ level, code, detail, says, next }: Note, indent: string): string =>
  [
    `${indent}${level} ${code}: ${clean(detail)}\n`,
    says === undefined ? '' : `${indent}  ${saidLine(says)}\n`,
    `${indent}  next: ${clean(next)}\n`,
  ].join('');

const saidLine = ({ text, verbatim, source }: Said): string =>
  verbatim ? `it logs: ${clean(text)} [${source}]` : `in words: ${clean(text)} [${source}]`;

/** Foreign text for a terminal: nothing that could break the line or hide in it. */
const clean = (text: string, longest = 400): string =>
  masked(text.slice(0, longest)).replaceAll('\n', '\u{FFFD}');

/** The report for scripts; keys without their material. */
export const asJson = (url: string, report: Report): object => ({
  url,
  clients: report.clients.map((client) => ({
    ...client,
    usable: !isSick(client),
    keys: client.keys.map(({ key: _key, ...rest }) => rest),
  })),
  findings: report.findings,
});
