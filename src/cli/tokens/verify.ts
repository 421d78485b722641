import { systemClock } from '../../clock.ts';
import { JwksdError } from '../../errors.ts';
import { excerpt } from '../../jwk/excerpt.ts';
import type { Key } from '../../jwk/key.ts';
import { explainToken } from '../../tokens/explain.ts';
import { duration } from '../../tokens/times.ts';
import type { Refuted, Verified } from '../../tokens/verify.ts';
import { isSet, text, type Io, type Parsed } from '../command.ts';
import { styled } from '../style.ts';
import { readKeySet } from './key-set.ts';
import { printable } from '../printable.ts';
import { readToken } from './token-operand.ts';

/** Runs `jwksd tokens verify`: exit 0 for a valid token, 1 with the reason for any other. */
export const verify = async (parsed: Parsed, io: Io): Promise<number> => {
  const where = text(parsed, 'jwks');
  if (where === undefined) {
    throw new JwksdError('usage', 'tokens verify needs --jwks FILE|URL: the keys to verify with');
  }
  if (where === '-' && parsed.operands[0] === '-') {
    throw new JwksdError('usage', 'stdin cannot be both the token and the keys');
  }
  const token = await readToken('tokens verify', parsed, io);
  const { keys, rejected } = await readKeySet(where, io);
  const verdict = await explainToken(token, keys, { clock: systemClock, rejected });
  if (isSet(parsed, 'json')) io.stdout.write(`${printable(asJson(verdict))}\n`);
  else {
    const style = styled(io, 'stdout');
    io.stdout.write(
      verdict.valid
        ? `${style('good', 'valid')}: ${describe(verdict)}\n`
        : `${style('error', 'not valid')} (${verdict.reason}): ${verdict.detail}\n`,
    );
  }
  return verdict.valid ? 0 : 1;
};

const describe = ({ header, claims, key }: Verified): string => {
  const left = Number(claims['exp']) - systemClock.wall() / 1000;
  return `signed with ${String(header['alg'])} by ${nameOf(key)}, expires in ${duration(left)}`;
};

const nameOf = ({ jwk, thumbprint }: Key): string =>
  jwk.kid === undefined
    ? `the key with thumbprint ${thumbprint}`
    : `kid ${JSON.stringify(excerpt(jwk.kid) ?? '')}`;

const asJson = (verdict: Verified | Refuted): object => {
  const { valid, header, claims, key } = verdict;
  const why = verdict.valid ? {} : { reason: verdict.reason, detail: verdict.detail };
  const by = key === undefined ? {} : { kid: key.jwk.kid, thumbprint: key.thumbprint };
  return { valid, ...why, ...by, header, claims };
};
