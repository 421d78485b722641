import { Writable, type Readable } from 'node:stream';
import { select, text } from '@clack/prompts';
import { JwksdError } from '../../errors.ts';
import type { Io } from '../command.ts';
import { nameProblem } from './key-files.ts';
import type { PairType } from './choices.ts';

/** What the user chose. */
export interface Answers {
  readonly alg: string;
  readonly name: string;
}

const types: { value: PairType; label: string; hint: string }[] = [
  { value: 'EC', label: 'EC', hint: 'Moodle, Opencast, Octoka, Tobira' },
  { value: 'RSA', label: 'RSA', hint: 'Jitsi, and whatever is old' },
  { value: 'OKP', label: 'EdDSA', hint: 'Ed25519; not for Moodle and Opencast' },
];

const algorithms: Readonly<Record<PairType, readonly { value: string; hint?: string }[]>> = {
  EC: [{ value: 'ES256', hint: 'everywhere' }, { value: 'ES384' }, { value: 'ES512' }],
  RSA: ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'].map((value) =>
    value === 'RS256' ? { value, hint: 'everywhere; what Jitsi expects' } : { value },
  ),
  OKP: [{ value: 'EdDSA' }],
  AKP: [],
};

/**
 * Asks what `keys generate` needs to know: type, algorithm, name. On stderr, so that stdout stays for data.
 *
 * @throws {JwksdError} `cancelled` after Ctrl-C or Escape.
 */
export const askForPair = async (io: Io): Promise<Answers> => {
  const stream = { input: io.stdin as Readable, output: screenOf(io) };
  const type = answered<PairType>(
    await select<PairType>({ ...stream, message: 'Type of key', options: types }),
  );
  const offered = algorithms[type];
  const [only] = offered;
  const alg =
    offered.length === 1 && only !== undefined
      ? only.value
      : answered(await select({ ...stream, message: 'Algorithm', options: [...offered] }));
  const name = answered(
    await text({
      ...stream,
      message: 'Name of the files',
      placeholder: 'opencast',
      defaultValue: 'opencast',
      validate: (value) => nameProblem(value === undefined || value === '' ? 'opencast' : value),
    }),
  );
  return { alg, name };
};

const answered = <T extends string>(answer: T | symbol): T => {
  if (typeof answer === 'string') return answer;
  throw new JwksdError('cancelled', 'cancelled; nothing was written');
};

/** stderr as a stream that knows its size; without colours where `NO_COLOR` asks for that, which Node.js 20 does not heed. */
const screenOf = (io: Io): Writable => {
  // Io promises no more than `write`; on a terminal, which alone is asked, it is the process's own stream.
  const terminal = io.stderr as unknown as Writable & { columns?: number; rows?: number; isTTY?: boolean };
  const { NO_COLOR } = io.env;
  if (NO_COLOR === undefined || NO_COLOR === '') return terminal;
  const plain = new Writable({
    decodeStrings: false,
    write: (chunk: string | Buffer, _encoding, done) => {
      // oxlint-disable-next-line no-control-regex -- escape sequences begin with a control character
      terminal.write(String(chunk).replaceAll(/\u001B\[[\d;]*m/gu, ''));
      done();
    },
  });
  return Object.assign(plain, { columns: terminal.columns, rows: terminal.rows, isTTY: true });
};
