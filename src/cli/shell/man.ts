import type { Command, Io, OptionSpec } from '../command.ts';
import { optionTerm, optionText, usageOf } from '../help.ts';
import { version } from '../version.ts';

/** Text that roff shows as it is: no escape, no hyphenation of a minus, no line that begins a request. */
const roff = (text: string): string =>
  text
    .replaceAll('\\', String.raw`\e`)
    .replaceAll('-', String.raw`\-`)
    .replaceAll('…', '...')
    .replaceAll(
      /[^\n\x20-\x7e]/gu,
      (char) => String.raw`\[u${char.codePointAt(0)?.toString(16).toUpperCase().padStart(4, '0')}]`,
    )
    .replaceAll(/^[.']/gmu, String.raw`\&$&`);

const bold = (text: string): string => `.B ${roff(text).replaceAll('"', String.raw`\(dq`)}\n`;
/** Text in lines of a usual width, because roff fills them again and readers of the source do not. */
const filled = (text: string): string => {
  const lines: string[] = [];
  for (const word of text.split(/\s+/u)) {
    const last = lines.at(-1);
    if (last === undefined || `${last} ${word}`.length > 66) lines.push(word);
    else lines[lines.length - 1] = `${last} ${word}`;
  }
  return roff(lines.join('\n'));
};

const sentence = (text: string): string => `${filled(/[.:!?]$/u.test(text) ? text : `${text}.`)}\n`;

const explained = (option: OptionSpec): string => {
  const [text = '', ...values] = optionText(option);
  return values.length === 0 ? text : `${text}: ${values.join(' ')}`;
};

const commandPart = (command: Command): string => {
  const options = Object.entries(command.options).map(
    ([name, option]) => `.TP\n${bold(optionTerm(name, option))}${sentence(explained(option))}`,
  );
  const { name, summary, description, example } = command;
  return [
    `.SS ${roff(name)}\n`,
    bold(`jwksd ${usageOf(command)}`),
    `.PP\n${sentence(`${summary.charAt(0).toUpperCase()}${summary.slice(1)}`)}`,
    description === undefined ? '' : `.PP\n${filled(description)}\n`,
    ...options,
    `.PP\nExample:\n.PP\n.RS 4\n.nf\n${roff(example)}\n.fi\n.RE\n`,
  ].join('');
};

/** The manual page, section 1, in the macros of man(7), which man-db, mandoc and BSD read alike. */
export const manPage = (commands: readonly Command[]): string =>
  [
    `.\\" Made by: npm run generate\n`,
    `.TH JWKSD 1 "" "jwksd ${version}" "User Commands"\n`,
    `.SH NAME\njwksd \\- key server for everything that verifies JWTs\n`,
    `.SH SYNOPSIS\n.B jwksd\n.I COMMAND\n.RI [ OPTION ...]\n.br\n.B jwksd help\n.RI [ COMMAND ]\n`,
    `.SH DESCRIPTION\nPublishes public keys as JWK Sets and PEM,\n`,
    `mirrors the keys of identity providers, and makes and judges keys and tokens.\nData goes to stdout, talk to stderr.\nColours appear on a terminal only.\n`,
    `.SH COMMANDS\n`,
    ...commands.map(commandPart),
    `.SH EXIT STATUS\n.TP\n.B 0\nThe command did what it was asked, or found nothing wrong.\n`,
    `.TP\n.B 1\nIt failed, or found something wrong.\n.TP\n.B 2\nWrong usage or configuration.\n.TP\n.B 130\nA question was answered with Ctrl\\-C.\n`,
    `.SH ENVIRONMENT\n.TP\n.B JWKSD_CONFIG\nThe configuration file, unless \\-\\-config names one.\n`,
    `.TP\n.B JWKSD_*\nA value of the configuration each, such as JWKSD_SERVER__PORT.\n`,
    `.TP\n.B NO_COLOR\nSet and not empty: no colours.\n`,
    `.TP\n.B HTTPS_PROXY\\fR, \\fBHTTP_PROXY\\fR, \\fBNO_PROXY\nThe proxy for requests to others.\n`,
    `.TP\n.B NODE_EXTRA_CA_CERTS\nA PEM file of certificate authorities to trust besides the usual ones.\n`,
    `.SH FILES\n.TP\n.I /etc/jwksd/jwksd.yaml\nThe configuration.\n`,
  ].join('');

/** Runs `jwksd man`. */
export const man = (io: Io, commands: readonly Command[]): number => {
  io.stdout.write(manPage(commands));
  return 0;
};
