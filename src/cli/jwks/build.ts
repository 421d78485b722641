import { realpath, stat } from 'node:fs/promises';
import path from 'node:path';
import { JwksdError } from '../../errors.ts';
import { excerpt } from '../../jwk/excerpt.ts';
import type { Key } from '../../jwk/key.ts';
import { lintSet } from '../../jwk/lint.ts';
import { parseKeyFile } from '../../jwk/parse-file.ts';
import { refusalOf, select, type Profile } from '../../keyring/profiles.ts';
import { writeDurably } from '../../sources/durable-file.ts';
import { paced } from '../../sources/pace.ts';
import { text, type Io, type Parsed } from '../command.ts';
import { isUrl, readDocument } from '../document.ts';
import { largestDocument } from './limits.ts';
import { masked, printable } from '../printable.ts';

const maxKeys = 20_000;

/** A key and the file it came from. */
interface Found {
  readonly file: string;
  readonly key: Key;
}

/**
 * Runs `jwksd jwks build`: one JWK Set of key files, written whole or not at all.
 *
 * @throws {JwksdError} `failed` that names every file that cannot be used; `usage` without a file.
 */
export const build = async (parsed: Parsed, io: Io): Promise<number> => {
  if (parsed.operands.length === 0) throw new JwksdError('usage', 'jwks build needs at least one key file');
  const warn = (message: string): unknown => io.stderr.write(`warning: ${masked(message)}\n`);
  const found = unique(await readAll(parsed, io, warn));
  const chosen = choose(found, text(parsed, 'profile') as Profile | undefined, warn);
  const document = `${printable({ keys: chosen })}\n`;
  for (const { detail, kid } of lintSet(Buffer.from(document), { profile: 'generic' })) {
    warn(`${kid === undefined ? '' : `key ${JSON.stringify(kid)}: `}${detail}`);
  }
  const output = text(parsed, 'output') ?? '-';
  if (output === '-') io.stdout.write(document);
  else {
    await write(path.resolve(io.cwd, output), output, document);
    io.stderr.write(`${output}: ${chosen.length} ${chosen.length === 1 ? 'key' : 'keys'}\n`);
  }
  return 0;
};

const readAll = async (parsed: Parsed, io: Io, warn: (message: string) => unknown): Promise<Found[]> => {
  const found: Found[] = [];
  const bad: string[] = [];
  for (const file of parsed.operands) {
    if (isUrl(file)) {
      bad.push(`${file} is a URL: jwksd serve --upstream mirrors it`);
      continue;
    }
    try {
      const { name, bytes } = await readDocument(file, io, { limit: largestDocument });
      const { keys, rejected, warnings } = await paced(
        parseKeyFile(bytes, { name, rsaAlg: text(parsed, 'alg'), maxKeys }),
      );
      const [first] = rejected;
      if (first !== undefined) {
        const which = first.kid === undefined ? '' : ` (key ${JSON.stringify(first.kid)})`;
        bad.push(`${name}: ${first.detail}${which}`);
      } else if (keys.length === 0) bad.push(`${name}: it holds no keys`);
      for (const { detail } of warnings) warn(detail.startsWith(name) ? detail : `${name}: ${detail}`);
      found.push(...keys.map((key) => ({ file: name, key })));
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      bad.push(error.message);
    }
  }
  if (bad.length > 0) {
    const count = bad.length === 1 ? 'one file' : `${bad.length} files`;
    const list = bad.map((each) => `  ${each}`).join('\n');
    throw new JwksdError('failed', `nothing is written, because ${count} cannot be used:\n${list}`);
  }
  return found;
};

/** Each key once. @throws {JwksdError} `failed` for two keys that clients could not tell apart. */
const unique = (found: readonly Found[]): readonly Key[] => {
  const keys = new Map<string, Key>();
  const names = new Map<string, Found>();
  for (const each of found) {
    const { kid, kty } = each.key.jwk;
    keys.set(each.key.name, keys.get(each.key.name) ?? each.key);
    const name = JSON.stringify([kty, kid]);
    const other = names.get(name) ?? each;
    names.set(name, other);
    if (other.key.thumbprint !== each.key.thumbprint) {
      throw new JwksdError(
        'failed',
        `${other.file} and ${each.file} hold different keys of kid ${JSON.stringify(excerpt(kid))}; ` +
          'give one of them another kid',
      );
    }
  }
  return [...keys.values()];
};

/** The entries to write. @throws {JwksdError} `failed` when the profile leaves none or refuses them together. */
const choose = (
  keys: readonly Key[],
  profile: Profile | undefined,
  warn: (message: string) => unknown,
): readonly unknown[] => {
  if (profile === undefined) return keys.map(({ jwk }) => jwk);
  const chosen: Key[] = [];
  const entries: unknown[] = [];
  for (const key of keys) {
    const selection = select(profile, key);
    if ('withheld' in selection) {
      warn(
        `key ${JSON.stringify(excerpt(key.jwk.kid))} is left out for profile ${profile}: ${selection.withheld}`,
      );
    } else {
      chosen.push(key);
      entries.push(JSON.parse(selection.json));
    }
  }
  const size = Buffer.byteLength(JSON.stringify({ keys: entries }, undefined, 2)) + 1;
  const refusal =
    entries.length === 0 ? 'none of the keys is for its clients' : refusalOf(profile, chosen, size);
  if (refusal !== undefined) throw new JwksdError('failed', `no set of profile ${profile}: ${refusal}`);
  return entries;
};

/** Replaces the file in one step, behind a symbolic link too; never a device or a directory. */
const write = async (file: string, shown: string, document: string): Promise<void> => {
  const target = await realpath(file).catch(() => file);
  const existing = await stat(target).catch(() => undefined);
  if (existing !== undefined && !existing.isFile()) {
    throw new JwksdError('failed', `${shown} is not a regular file; leave --output away to write to stdout`);
  }
  try {
    await writeDurably(target, [document], { mode: 0o644, replace: true });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    throw new JwksdError('failed', `the directory of ${shown} does not exist; make it first`, {
      cause: error,
    });
  }
};
