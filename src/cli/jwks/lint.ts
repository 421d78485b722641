import { systemClock } from '../../clock.ts';
import { JwksdError } from '../../errors.ts';
import { errorsFirst, type Finding, type LintProfile } from '../../jwk/findings.ts';
import { placesOf, type Place } from '../../jwk/lint-places.ts';
import { lintSet } from '../../jwk/lint.ts';
import type { Client } from '../../jwk/lint-rules.ts';
import { isSet, text, texts, type Io, type Parsed } from '../command.ts';
import { askUrl, demandOk, isUrl, readDocument, type Document } from '../document.ts';
import type { DocumentResponse } from '../exchange.ts';
import { lintResponses } from '../lint-response.ts';
import { styled } from '../style.ts';
import { largestDocument } from './limits.ts';
import { sarif } from './sarif.ts';
import { masked, printable } from '../printable.ts';

/** A finding with its place in the document, where one is known. */
export type PlacedFinding = Finding & Partial<Place>;

/** Runs `jwksd jwks lint`. @throws {JwksdError} `failed` without a document, `usage` for options that contradict. */
export const lint = async (parsed: Parsed, io: Io): Promise<number> => {
  const [where, ...others] = parsed.operands;
  if (where === undefined || others.length > 0)
    throw new JwksdError('usage', 'jwks lint takes one FILE or URL');
  const asked = texts(parsed, 'as');
  const profile = text(parsed, 'profile') as LintProfile | undefined;
  if (asked.length > 0 && profile !== undefined) {
    throw new JwksdError('usage', '--as and --profile both say for whom; give one of them');
  }
  if (isSet(parsed, 'json') && isSet(parsed, 'sarif')) {
    throw new JwksdError('usage', '--json and --sarif are two forms of one answer; give one of them');
  }
  const clients = asked.length > 0 ? (asked as readonly Client[]) : undefined;
  const before = text(parsed, 'previous');
  const limit = largestDocument;
  const previous = before === undefined ? undefined : (await readDocument(before, io, { limit })).bytes;
  const { document, responses } = await read(where, io);
  const findings = placed(
    document,
    errorsFirst([
      ...lintSet(document.bytes, { profile, clients, previous }),
      ...lintResponses(responses, { profile, clients, wall: systemClock.wall() }),
    ]),
  );
  const count = (level: Finding['level']): number => findings.filter((each) => each.level === level).length;
  const [errors, warnings] = [count('error'), count('warning')];
  const { name } = document;
  if (isSet(parsed, 'sarif')) io.stdout.write(sarif(name, findings));
  else if (isSet(parsed, 'json')) {
    io.stdout.write(`${printable({ document: name, errors, warnings, findings })}\n`);
  } else {
    io.stdout.write(findings.map((finding) => `${line(name, finding, io)}\n`).join(''));
    io.stderr.write(`${name}: ${counted(errors, 'error')}, ${counted(warnings, 'warning')}\n`);
  }
  return errors > 0 || (warnings > 0 && isSet(parsed, 'strict')) ? 1 : 0;
};

const counted = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`;

const mostRedirects = 5;

/** The document and every answer on the way to it: clients may stop at a redirect, but its target is judged too. */
const read = async (
  where: string,
  io: Io,
): Promise<{ readonly document: Document; readonly responses: readonly DocumentResponse[] }> => {
  const limit = largestDocument;
  if (!isUrl(where)) return { document: await readDocument(where, io, { limit }), responses: [] };
  const responses: DocumentResponse[] = [];
  let url = where;
  for (;;) {
    const document = await askUrl(url, { limit });
    responses.push(document.response);
    const { location } = document.response;
    if (location === undefined || !isUrl(location) || !URL.canParse(location))
      return { document: demandOk(document), responses };
    if (responses.length > mostRedirects || responses.some(({ url: asked }) => asked === location)) {
      const next = 'correct the redirects of that server';
      throw new JwksdError('failed', `${document.name} redirects in a loop, or too often; ${next}`);
    }
    const { username, password } = new URL(location);
    if (username !== '' || password !== '') {
      const next = 'clients do not send it; take it out of the redirect';
      throw new JwksdError('failed', `${document.name} redirects to a URL with a user name; ${next}`);
    }
    url = location;
  }
};

const placed = ({ bytes }: Document, findings: readonly Finding[]): readonly PlacedFinding[] => {
  const placeOf = placesOf(bytes);
  return findings.map((finding) => ({ ...finding, ...placeOf(finding) }));
};

/** As compilers write it, so that editors find the place: `jwks.json:3:5: error: … [code]`. */
const line = (name: string, finding: PlacedFinding, io: Io): string => {
  const tone = styled(io, 'stdout');
  const { code, level, client, detail, kid, line: row, column } = finding;
  const place = row === undefined || column === undefined ? name : `${name}:${row}:${column}`;
  const key = kid === undefined ? '' : ` (kid ${JSON.stringify(kid)})`;
  const whom = client === undefined ? '' : ` ${client}`;
  return `${masked(place)}: ${tone(level, level)}: ${masked(`${detail}${key}`)} ${tone('quiet', `[${code}${whom}]`)}`;
};
