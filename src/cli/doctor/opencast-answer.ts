import type { Answer, NoAnswer } from './ask.ts';
import { error, warning, type Note, type Said } from './judgement.ts';

/** What Java's HttpURLConnection, which both generations of Opencast fetch with, makes of an answer (Java 17). */
export interface JavaTexts {
  /** The log line for an IOException with this message. */
  io(message: string): Said;
  /** The log line for a body that is no JWK Set. */
  unreadable: Said;
}

/** Why there is no answer. */
export const javaNoAnswer = ({ reason, detail }: NoAnswer, url: URL, texts: JavaTexts): Note => {
  const messages: Readonly<Record<NoAnswer['reason'], string>> = {
    'connect-timeout': 'Connect timed out',
    timeout: 'Read timed out',
    dns: url.hostname,
    refused: 'Connection refused',
    tls: '…',
    reset: 'Unexpected end of file from server',
    'too-large': 'Exceeded configured input limit of 51200 bytes',
  };
  const says = texts.io(messages[reason]);
  if (reason === 'too-large')
    return error('too-large', detail, 'publish fewer keys: a set of their own for Opencast', says);
  if (reason === 'timeout' || reason === 'connect-timeout') {
    return error(
      'slow',
      detail,
      'make the server answer within half a second, from a cache for example',
      says,
    );
  }
  const next =
    reason === 'tls'
      ? 'import the certificate authority into the trust store of the Java that runs Opencast'
      : 'check name, port and firewall';
  return error('unreachable', detail, next, says);
};

/** Why the status or the encoding of an answer keeps Java from reading it; 2xx and 3xx bodies are parsed. */
export const javaRefuses = (answer: Answer, texts: JavaTexts): Note | undefined => {
  const { status, url, headers } = answer;
  // sun.net.www.protocol.http: a missing page has an exception of its own, whose message is the URL.
  if (status === 404 || status === 410)
    return error('status', `the answer has status ${status}`, 'correct the path in jwksUrl', texts.io(url));
  if (status >= 400) {
    const says = texts.io(`Server returned HTTP response code: ${status} for URL: ${url}`);
    return error('status', `the answer has status ${status}`, 'look at the log of that server', says);
  }
  if (status >= 300 && headers['location'] !== undefined) {
    const detail = `the answer redirects (${status}) from one scheme to the other, which Java does not follow`;
    return error('redirect', detail, 'write the URL it leads to into jwksUrl', texts.unreadable);
  }
  const coding = headers['content-encoding'];
  if (coding !== undefined && coding !== 'identity') {
    const detail = `the answer is compressed (${coding}), which Opencast did not ask for`;
    return error('compressed', detail, 'compress only what asks for it', texts.unreadable);
  }
  return undefined;
};

/** What Opencast survives. */
export const javaWarnings = ({ redirects }: Answer): readonly Note[] => {
  const last = redirects.at(-1);
  if (last === undefined) return [];
  return [
    warning(
      'redirect',
      `the answer came from ${last}`,
      'write that URL into jwksUrl: each redirect costs time',
    ),
  ];
};
