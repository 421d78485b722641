import type { KeyObject } from 'node:crypto';
import path from 'node:path';
import { JwksdError } from '../../errors.ts';
import type { Key } from '../../jwk/key.ts';
import { hasTopBit } from '../../jwk/lint.ts';
import { isSet, text, type Io, type Parsed } from '../command.ts';
import { askHidden, canAsk, passphraseOf } from '../passphrase.ts';
import { algorithmTypes, type ClientName } from './choices.ts';
import { checkFor, clients, type KeyClient } from './clients.ts';
import { keyFiles, type KeyFiles } from './key-files.ts';
import { createSigningPair } from './key-pair.ts';
import { writePair } from './pair-files.ts';
import { masked, printable } from '../printable.ts';

/** Runs `jwksd keys generate`: a key pair in files, the public half ready to be served. */
export const generate = async (parsed: Parsed, io: Io): Promise<number> => {
  const asked = wantsQuestions(parsed, io) ? await questions(io) : undefined;
  // The table has let nothing else through.
  const forName = text(parsed, 'for') as ClientName | undefined;
  const client = forName === undefined ? undefined : clients[forName];
  const alg = text(parsed, 'alg') ?? asked?.alg ?? client?.algs[0] ?? 'ES256';
  const passphraseFile = text(parsed, 'passphrase-file');
  const encrypt = isSet(parsed, 'encrypt') || passphraseFile !== undefined;
  if (client !== undefined) checkFor(forName ?? '', client, alg, encrypt);
  if (text(parsed, 'kid') === '') {
    throw new JwksdError('usage', '--kid cannot be empty; without it the kid is the thumbprint');
  }
  const bits = text(parsed, 'bits');
  if (bits !== undefined && algorithmTypes[alg] !== 'RSA') {
    throw new JwksdError(
      'usage',
      `--bits is the size of an RSA key, and ${alg} has one of its own; leave it away`,
    );
  }
  const accept = acceptable(parsed, alg, client);
  const name = text(parsed, 'name') ?? asked?.name ?? forName ?? 'key';
  const files = keyFiles(path.resolve(io.cwd, text(parsed, 'dir') ?? '.'), name);

  const { privateKey, key } = await createSigningPair(alg, {
    bits: Number(bits ?? '3072'),
    kid: text(parsed, 'kid'),
    accept,
  });
  // After what can be refused without it: nobody types a passphrase twice for nothing.
  const passphrase = encrypt ? await newPassphrase(passphraseFile, io) : undefined;
  const { notes } = await writePair(
    files,
    { privatePem: pkcs8(privateKey, passphrase), key },
    { force: isSet(parsed, 'force'), oneKty: client?.inOpencast === true },
  );
  for (const note of notes) io.stderr.write(`note: ${note}\n`);
  if (alg === 'Ed25519') io.stderr.write('note: Octoka knows this algorithm as EdDSA only\n');
  if (algorithmTypes[alg] === 'AKP') {
    io.stderr.write(
      'note: only a set of the profile "full" publishes it: one such key breaks several clients\n',
    );
  }
  report(parsed, io, files, key, client, encrypt);
  return 0;
};

/** A terminal that can be drawn on, and nothing on the command line that says what is wanted. */
const wantsQuestions = (parsed: Parsed, io: Io): boolean => {
  const { TERM } = io.env;
  return (
    canAsk(io) &&
    Object.keys(parsed.options).length === 0 &&
    TERM !== undefined &&
    !['', 'dumb'].includes(TERM)
  );
};

const questions = async (io: Io): Promise<{ readonly alg: string; readonly name: string }> =>
  await (await import('./questionnaire.ts')).askForPair(io);

const acceptable = (parsed: Parsed, alg: string, client: KeyClient | undefined): ((key: Key) => boolean) => {
  if (text(parsed, 'compat') === undefined) return () => true;
  if (client?.inOpencast !== true) {
    throw new JwksdError(
      'usage',
      '--compat legacy is about Opencast up to 18: add --for opencast, moodle or tobira',
    );
  }
  // Opencast up to 18 on newer Java takes a coordinate for a negative number when its first bit is set.
  return ({ jwk }) =>
    algorithmTypes[alg] !== 'EC' || ![jwk.x, jwk.y].some((coordinate) => hasTopBit(coordinate));
};

const newPassphrase = async (file: string | undefined, io: Io): Promise<string> => {
  if (file !== undefined) return await passphraseOf(file, io);
  if (!canAsk(io)) {
    throw new JwksdError(
      'usage',
      '--encrypt needs a passphrase, and there is no terminal to ask on: add --passphrase-file FILE',
    );
  }
  const [first = '', second] = await askHidden(io, ['Passphrase', 'The same again']);
  if (first === '')
    throw new JwksdError('usage', 'an empty passphrase protects nothing; leave --encrypt away then');
  if (first !== second) throw new JwksdError('usage', 'the two passphrases differ; nothing was written');
  return first;
};

const pkcs8 = (key: KeyObject, passphrase: string | undefined): string =>
  key
    .export({
      format: 'pem',
      type: 'pkcs8',
      ...(passphrase === undefined ? {} : { cipher: 'aes-256-cbc', passphrase }),
    })
    .toString();

const report = (
  parsed: Parsed,
  io: Io,
  files: KeyFiles,
  { jwk }: Key,
  client: KeyClient | undefined,
  encrypted: boolean,
): void => {
  if (isSet(parsed, 'json')) {
    io.stdout.write(`${printable({ ...files, jwk })}\n`);
    return;
  }
  const shown = (file: string): string => path.relative(io.cwd, file) || file;
  const kid = masked(jwk.kid ?? '');
  io.stdout.write(
    `private key  ${shown(files.privateKey)}  (PKCS#8${encrypted ? ', encrypted' : ''}, for the signer only)\n` +
      `public key   ${shown(files.publicJwk)}\n` +
      `JWK Set      ${shown(files.jwkSet)}\n` +
      `kid          ${kid}\n`,
  );
  const outputs = shown(path.dirname(files.jwkSet));
  const next =
    client?.next({ privateKey: shown(files.privateKey), outputs, alg: jwk.alg ?? '', kid }) ??
    `Publish it:  jwksd serve --keys ${outputs}\n`;
  io.stderr.write(`\n${next}`);
};
