import { systemClock, type Clock } from '../../clock.ts';
import { JwksdError } from '../../errors.ts';
import { isSet, text, type Io, type Parsed } from '../command.ts';
import { isUrl, readDocument } from '../document.ts';
import { examine, type Report } from './examine.ts';
import { clientIds, type ClientId } from './model.ts';
import { asJson, asText, hasFindings, isSick, refusesToken } from './report.ts';
import { readToken } from './token.ts';
import { printable } from '../printable.ts';

/** Runs `jwksd doctor`. @throws {JwksdError} `usage` for a URL that is none; `failed` for a token that is none. */
export const doctor = async (parsed: Parsed, io: Io, clock: Clock = systemClock): Promise<number> => {
  const url = urlOf(parsed);
  const as = clientIds.find((id) => id === text(parsed, 'as'));
  const given = text(parsed, 'token');
  const token = given === undefined ? undefined : readToken(given === '-' ? await fromStdin(io) : given);
  const report = await examine({ url, as, kid: text(parsed, 'kid'), token, clock });
  io.stdout.write(
    isSet(parsed, 'json') ? `${printable(asJson(url.href, report))}\n` : asText(url.href, report),
  );
  const failed = isUnwell(report, as);
  return failed || (isSet(parsed, 'strict') && hasFindings(report)) ? 1 : 0;
};

/**
 * Whether a client is without a key, or refuses the token. Asked about one client, each of its versions counts; asked
 * about all, only a client none of whose versions is well: few sites run every version there is.
 */
const isUnwell = ({ clients }: Report, as: ClientId | undefined): boolean => {
  const meant = clients.filter(({ irrelevant }) => !irrelevant);
  const ill = meant.filter((client) => isSick(client) || refusesToken(client));
  if (as !== undefined) return ill.length > 0;
  return ill.some(({ id }) => meant.every((other) => nameOf(other.id) !== nameOf(id) || ill.includes(other)));
};

const nameOf = (id: ClientId): string => id.split('@', 1)[0] ?? id;

const fromStdin = async (io: Io): Promise<string> => (await readDocument('-', io)).bytes.toString('latin1');

const urlOf = ({ operands }: Parsed): URL => {
  const [where, ...more] = operands;
  if (where === undefined || more.length > 0) throw new JwksdError('usage', 'doctor takes one URL');
  if (!isUrl(where) || !URL.canParse(where)) {
    throw new JwksdError(
      'usage',
      `${JSON.stringify(where)} is not an http or https URL; for a file there is \`jwksd jwks lint\``,
    );
  }
  const url = new URL(where);
  if (url.username !== '' || url.password !== '' || url.hash !== '')
    throw new JwksdError('usage', 'a URL with a user name or a # is one that Octoka refuses; leave both out');
  return url;
};
