import { JwksdError } from '../../errors.ts';
import { compareSets, type Comparison, type KeyName } from '../../jwk/compare.ts';
import { decodeText, parseJson } from '../../jwk/json.ts';
import { parseKeyFile } from '../../jwk/parse-file.ts';
import { entriesOf } from '../../jwk/parse-set.ts';
import { paced } from '../../sources/pace.ts';
import { isSet, type Io, type Parsed } from '../command.ts';
import { readDocument, type Document } from '../document.ts';
import { styled } from '../style.ts';
import { largestDocument } from './limits.ts';
import { printable } from '../printable.ts';

/** Runs `jwksd jwks diff`: 0 when both hold the same keys with the same members, else 1. @throws {JwksdError} `failed` for what is no set. */
export const diff = async (parsed: Parsed, io: Io): Promise<number> => {
  const [left, right, ...more] = parsed.operands;
  if (left === undefined || right === undefined || more.length > 0) {
    throw new JwksdError('usage', 'jwks diff takes two, each a FILE or a URL');
  }
  if (left === '-' && right === '-') throw new JwksdError('usage', 'stdin can be only one of the two');
  const before = await read(left, io);
  const after = await read(right, io);
  const comparison = compareSets(before, after);
  const { added, removed, changed } = comparison;
  const equal = added.length + removed.length + changed.length === 0;
  if (isSet(parsed, 'json')) io.stdout.write(`${printable({ equal, ...comparison })}\n`);
  else if (equal) io.stderr.write(`equal: ${after.length} ${after.length === 1 ? 'key' : 'keys'}\n`);
  else io.stdout.write(report(comparison, io));
  return equal ? 0 : 1;
};

const read = async (where: string, io: Io): Promise<readonly unknown[]> => {
  const document = await readDocument(where, io, { limit: largestDocument });
  const text = decodeText(document.bytes);
  return text?.trimStart().startsWith('{') === true ? entries(document, text) : await keyFile(document);
};

const entries = ({ name }: Document, text: string): readonly unknown[] => {
  const json = parseJson(text);
  const set = json.ok ? entriesOf(json.value) : json;
  if (set.ok) return set.entries;
  if (json.ok && Object.hasOwn(json.value as object, 'kty')) return [json.value];
  const detail = set.detail.replace('the body', 'it');
  throw new JwksdError('failed', `${name} is not a JWK Set: ${detail}; jwksd jwks lint tells more`);
};

const keyFile = async ({ name, bytes }: Document): Promise<readonly unknown[]> => {
  const { keys, rejected } = await paced(parseKeyFile(bytes, { name, maxKeys: 20_000 }));
  const [first] = rejected;
  if (first === undefined && keys.length > 0) return keys.map(({ jwk }) => jwk);
  throw new JwksdError('failed', `${name}: ${first?.detail ?? 'it holds no keys'}`);
};

const report = ({ added, removed, changed }: Comparison, io: Io): string => {
  const tone = styled(io, 'stdout');
  const lines = [
    ...removed.map((key) => tone('error', `- ${nameOf(key)}`)),
    ...added.map((key) => tone('good', `+ ${nameOf(key)}`)),
    ...changed.flatMap(({ members, ...key }) => [
      tone('warning', `~ ${nameOf(key)}`),
      ...members.map(({ member, from = 'absent', to = 'absent' }) => `    ${member}: ${from} -> ${to}`),
    ]),
  ];
  return lines.map((line) => `${line}\n`).join('');
};

const nameOf = ({ kid, kty, thumbprint }: KeyName): string =>
  [
    kty ?? 'no key',
    kid === undefined ? 'without kid' : `kid ${JSON.stringify(kid)}`,
    thumbprint === undefined || thumbprint === kid ? '' : `thumbprint ${thumbprint}`,
  ]
    .filter((part) => part !== '')
    .join(' ');
