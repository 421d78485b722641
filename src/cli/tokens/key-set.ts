import { JwksdError } from '../../errors.ts';
import type { ParsedSet } from '../../jwk/key.ts';
import { parseKeyFile } from '../../jwk/parse-file.ts';
import { admitEntries, decodeJwkSet } from '../../jwk/parse-set.ts';
import { paced } from '../../sources/pace.ts';
import type { Io } from '../command.ts';
import { isUrl, readDocument } from '../document.ts';

const maxKeys = 20_000;

/**
 * The keys that `--jwks` names: those of a server as it sends them, those of a file as `serve` reads them.
 *
 * What is odd about them is told on stderr. @throws {JwksdError} `failed` when there is no set; one without a usable key
 * is a set.
 */
export const readKeySet = async (where: string, io: Io): Promise<ParsedSet> => {
  const { bytes, name } = await readDocument(where, io);
  const set = isUrl(where)
    ? await parseAnswer(bytes, name)
    : await paced(parseKeyFile(bytes, { name, maxKeys }));
  for (const { detail } of set.warnings) io.stderr.write(`warning: ${detail}\n`);
  const [first] = set.rejected;
  // A text that is no set at all is refused as one entry without a position.
  if (set.keys.length === 0 && first !== undefined && first.index === undefined && first.kty === undefined) {
    throw notASet(name, first.detail);
  }
  return set;
};

const notASet = (name: string, detail: string): JwksdError =>
  new JwksdError('failed', `${name}: ${detail}; jwksd jwks lint says more`);

const parseAnswer = async (bytes: Buffer, name: string): Promise<ParsedSet> => {
  // jwksd and other servers also answer with one PEM.
  if (bytes.includes('-----BEGIN ')) return await paced(parseKeyFile(bytes, { name, maxKeys }));
  const decoded = await paced(decodeJwkSet(bytes));
  if (!decoded.ok) throw notASet(name, decoded.detail.replace('the body', 'the answer'));
  return await paced(admitEntries(decoded.entries, { origin: 'upstream', maxKeys }));
};
