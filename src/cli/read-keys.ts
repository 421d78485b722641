import type { Key, Rejection } from '../jwk/key.ts';
import { parseKeyFile } from '../jwk/parse-file.ts';
import { PrivateKeys } from '../jwk/private-keys.ts';
import { JwksdError } from '../errors.ts';
import { paced } from '../sources/pace.ts';
import { text, type Io, type Parsed } from './command.ts';
import { readDocument } from './document.ts';
import { askHidden, canAsk, passphraseOf } from './passphrase.ts';

/** The keys of a file in any form jwksd reads. */
export interface ReadKeys {
  /** Fit for messages. */
  readonly name: string;
  readonly keys: readonly Key[];
  /** One line for each key that cannot be used, with what to do about it. */
  readonly problems: readonly string[];
  readonly privates: PrivateKeys;
}

const maxKeys = 20_000;

/**
 * Reads the FILE, `-` or URL that is the one operand of a command, opening what is encrypted with `--passphrase-file` or
 * a passphrase asked for on the terminal.
 *
 * @throws {JwksdError} `usage` for other than one operand, `failed` when there is nothing to read, `cancelled`.
 */
export const readKeys = async (command: string, parsed: Parsed, io: Io): Promise<ReadKeys> => {
  const [where, ...more] = parsed.operands;
  if (where === undefined || more.length > 0) {
    throw new JwksdError('usage', `${command} takes one FILE, or - for stdin. See jwksd ${command} --help`);
  }
  return await readKeyFile(where, text(parsed, 'passphrase-file'), io);
};

/**
 * Reads the keys of FILE, `-` or a URL, opening what is encrypted with the passphrase of another file or one asked for on
 * the terminal.
 *
 * @throws {JwksdError} `usage`, `failed`, `cancelled` as `readKeys` does.
 */
export const readKeyFile = async (
  where: string,
  passphraseFile: string | undefined,
  io: Io,
): Promise<ReadKeys> => {
  if (where === '-' && passphraseFile === '-') {
    throw new JwksdError('usage', 'stdin cannot be both the key and the passphrase');
  }
  const { bytes, name } = await readDocument(where, io);
  const passphrase = passphraseFile === undefined ? undefined : await passphraseOf(passphraseFile, io);
  const first = await parse(bytes, name, passphrase);
  if (!first.privates.needsPassphrase || where === '-' || !canAsk(io)) return first;
  const [answer] = await askHidden(io, [`Passphrase of ${name}`]);
  return await parse(bytes, name, answer);
};

const parse = async (bytes: Uint8Array, name: string, passphrase: string | undefined): Promise<ReadKeys> => {
  const privates = new PrivateKeys(passphrase);
  const { keys, rejected, rejectedCounts } = await paced(parseKeyFile(bytes, { name, maxKeys, privates }));
  const problems = rejected.map((rejection) => `${name}${describe(rejection)}`);
  const all = Object.values(rejectedCounts).reduce((sum, count) => sum + count, 0);
  if (all > rejected.length) problems.push(`${name}: and ${all - rejected.length} more`);
  return { name, keys, problems, privates };
};

const describe = (rejection: Rejection): string => {
  const { index, kid, detail } = rejection;
  const which = index === undefined ? '' : ` key ${index + 1}`;
  const named = kid === undefined ? '' : ` (kid ${JSON.stringify(kid)})`;
  const advice = adviceOn(rejection);
  return `${which}${named}: ${detail}${advice === undefined ? '' : `; ${advice}`}`;
};

const newKey = (alg: string): string => `make a new key: jwksd keys generate --alg ${alg}`;

/** What to do about it, where the detail does not say so itself. */
const adviceOn = ({ reason, detail, kty }: Rejection): string | undefined => {
  if (detail.includes('no passphrase was given'))
    return 'add --passphrase-file FILE, or run this on a terminal';
  if (/^alg \S+ does not work/u.test(detail)) return 'correct its "alg", or take it out';
  if (reason === 'weak_key') return newKey(kty === 'OKP' ? 'EdDSA' : 'RS256');
  if (reason === 'oversize_key') return newKey('RS256');
  if (kty === 'oct') return 'it must stay secret, so there is nothing to publish';
  return reason === 'unsupported_crv' || reason === 'unsupported_kty' ? newKey('ES256') : undefined;
};
