import { createPublicKey, type KeyObject } from 'node:crypto';
import { open, stat } from 'node:fs/promises';
import path from 'node:path';
import { JwksdError } from '../../errors.ts';
import type { Key } from '../../jwk/key.ts';
import { sweepAbandoned, writeDurably } from '../../sources/durable-file.ts';
import { isSet, text, type Io, type Parsed } from '../command.ts';
import type { FormatName } from './choices.ts';
import { codeOf, targetOf } from './key-files.ts';
import { readKeys, type ReadKeys } from '../read-keys.ts';
import { printable } from '../printable.ts';

/** A key with its private half where that was asked for. */
interface Whole {
  readonly key: Key;
  readonly privateKey: KeyObject | undefined;
}

/** A form keys are written in. */
interface Format {
  /** It has no public variant. */
  readonly privateOnly?: true;
  /** It has no private variant. */
  readonly publicOnly?: true;
  render(keys: readonly Whole[]): string;
}

const refuse = (detail: string): JwksdError => new JwksdError('failed', detail);
const pretty = (value: unknown): string => `${printable(value)}\n`;

/**
 * Each key a PEM block of its own, one after the other.
 *
 * The cast: Node's types allow each `type` for one kind of key only, and which kind this is, is known by the caller.
 */
const pem = (render: (key: Whole) => KeyObject | string, type: 'spki' | 'pkcs8' | 'pkcs1' | 'sec1') =>
  ((keys) =>
    keys
      .map((whole) => render(whole))
      .map((key) => (typeof key === 'string' ? key : key.export({ format: 'pem', type } as never).toString()))
      .join('')) satisfies Format['render'];

const formats: Readonly<Record<FormatName, Format>> = {
  jwk: {
    render: (keys) => {
      const [only, ...more] = keys;
      if (only === undefined || more.length > 0)
        throw refuse(`there are ${keys.length} keys: --to jwks takes them all`);
      return pretty(jwkOf(only));
    },
  },
  jwks: { render: (keys) => pretty({ keys: keys.map((key) => jwkOf(key)) }) },
  spki: { publicOnly: true, render: pem(({ key }) => pemOf(key), 'spki') },
  pkcs8: { privateOnly: true, render: pem((whole) => privateOf(whole), 'pkcs8') },
  pkcs1: {
    render: pem((whole) => {
      if (whole.key.jwk.kty !== 'RSA') throw refuse('PKCS#1 is for RSA keys; use --to spki or --to pkcs8');
      return whole.privateKey ?? createPublicKey(pemOf(whole.key));
    }, 'pkcs1'),
  },
  sec1: {
    privateOnly: true,
    render: pem((whole) => {
      if (whole.key.jwk.kty !== 'EC') throw refuse('SEC1 is for EC keys; use --to pkcs8');
      return privateOf(whole);
    }, 'sec1'),
  },
};

/** Runs `jwksd keys convert`: the keys of a file in another form. */
export const convert = async (parsed: Parsed, io: Io): Promise<number> => {
  // The table has let nothing else through.
  const to = (text(parsed, 'to') ?? 'jwk') as FormatName;
  const format = formats[to];
  const withPrivate = isSet(parsed, 'private');
  const out = text(parsed, 'out');
  if (format.privateOnly === true && !withPrivate) {
    throw usage(
      `--to ${to} writes the private key: add --private if that is what you want, or use --to spki`,
    );
  }
  if (format.publicOnly === true && withPrivate) {
    throw usage(`--to ${to} holds public keys only: leave --private away, or use --to pkcs8`);
  }
  if (withPrivate && out === undefined && io.stdout.isTTY === true) {
    throw usage(
      'a private key is not shown on a terminal: add -o FILE, or send the output to another program',
    );
  }
  const read = await readKeys('keys convert', parsed, io);
  const rendered = format.render(wholeOf(read, withPrivate));
  if (out === undefined) io.stdout.write(rendered);
  else
    await writeTo(
      path.resolve(io.cwd, out),
      out,
      rendered,
      withPrivate ? 0o600 : 0o644,
      isSet(parsed, 'force'),
    );
  return 0;
};

const usage = (detail: string): JwksdError => new JwksdError('usage', detail);

/** All keys or none. @throws {JwksdError} `failed` that tells of every key there is trouble with. */
const wholeOf = ({ name, keys, problems, privates }: ReadKeys, withPrivate: boolean): readonly Whole[] => {
  const found = [...problems];
  const whole = keys.map((key): Whole => {
    const named = keys.length > 1 ? `${name} (kid ${JSON.stringify(key.jwk.kid)})` : name;
    if (key.jwk.crv === 'secp256k1') {
      found.push(
        `${named}: no client reads keys on secp256k1; make a new key: jwksd keys generate --alg ES256`,
      );
    }
    const half = withPrivate ? privates.of(key) : undefined;
    if (half === undefined || !('reason' in half)) return { key, privateKey: half };
    found.push(`${named}: ${half.detail}`);
    return { key, privateKey: undefined };
  });
  if (found.length > 0) throw refuse(found.join('\njwksd: '));
  if (whole.length === 0) throw refuse(`${name} holds no key`);
  return whole;
};

const pemOf = ({ pem: spki, jwk }: Key): string => {
  if (spki !== undefined) return spki;
  throw refuse(
    `this Node.js (${process.version}) cannot write ${jwk.alg ?? jwk.kty} keys as PEM; use a current one`,
  );
};

const privateOf = ({ privateKey }: Whole): KeyObject => {
  if (privateKey === undefined) throw refuse('there is no private key in it');
  return privateKey;
};

/** What the private half does where the public one does the other thing (RFC 7517 §4.3). */
const privateOperations = new Map([
  ['verify', 'sign'],
  ['encrypt', 'decrypt'],
  ['wrapKey', 'unwrapKey'],
]);

const jwkOf = ({ key: { jwk }, privateKey }: Whole): object => {
  if (privateKey === undefined) return jwk;
  const { key_ops: operations, ...members } = jwk;
  return {
    ...members,
    ...(operations === undefined
      ? {}
      : { key_ops: operations.map((each) => privateOperations.get(each) ?? each) }),
    ...privateKey.export({ format: 'jwk' }),
    // Canonical, where the private key may have come in another spelling.
    ...members,
  };
};

/** Writes FILE whole or not at all; a device or pipe is written to as it is. */
const writeTo = async (
  file: string,
  named: string,
  content: string,
  mode: number,
  force: boolean,
): Promise<void> => {
  const target = await targetOf(file);
  const there = await stat(target).catch(() => undefined);
  if (there !== undefined && !there.isFile()) {
    const handle = await open(target, 'w');
    try {
      await handle.writeFile(content);
    } finally {
      await handle.close();
    }
    return;
  }
  // A minute: somebody else may be writing the same file now.
  await sweepAbandoned(path.dirname(target), (name) => name === path.basename(target), Date.now() - 60_000);
  try {
    await writeDurably(target, [content], { mode, replace: force });
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
    throw new JwksdError(
      'failed',
      `${named} exists and is not overwritten; choose another -o, or --force to replace it`,
      {
        cause: error,
      },
    );
  }
};
