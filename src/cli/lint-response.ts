import { clientsOf, Findings, type Finding, type LintProfile } from '../jwk/findings.ts';
import type { Client } from '../jwk/lint-rules.ts';
import { isLoopback } from '../sources/loopback.ts';
import { freshness } from '../sources/upstream/freshness.ts';
import type { DocumentResponse } from './exchange.ts';

/** Opencast 19 waits so many milliseconds for an answer. */
const opencastPatience = 500;

/**
 * Judges how a JWK Set was sent: one answer for each redirect that was followed, and the one with the set at last.
 *
 * The sentences hold no query and no user info of the URLs.
 */
export const lintResponses = (
  responses: readonly DocumentResponse[],
  options: {
    readonly profile?: LintProfile | undefined;
    readonly clients?: readonly Client[] | undefined;
    /** Milliseconds since the epoch when the answer came. */
    readonly wall: number;
  },
): readonly Finding[] => {
  const { profile, clients, wall } = options;
  const findings = new Findings(clients ?? (profile && clientsOf[profile]));
  for (const { url, status, location } of responses) {
    if (location !== undefined) findings.add('redirect', `${status}, to ${placeOf(location)}`);
    const { protocol, hostname } = new URL(url);
    if (protocol === 'http:' && !isLoopback(hostname))
      findings.add('plain-http', `keys of ${placeOf(url)} can be changed on the way; Octoka refuses the URL`);
  }
  const last = responses.at(-1);
  if (last !== undefined) lintAnswer(last, wall, findings);
  return findings.finish();
};

const lintAnswer = ({ headers, milliseconds }: DocumentResponse, wall: number, findings: Findings): void => {
  const { remaining } = freshness(headers, wall);
  const control = headers['cache-control'];
  const shown = (
    control === undefined ? `Expires: ${headers['expires']}` : `Cache-Control: ${control}`
  ).slice(0, 80);
  if (remaining === undefined)
    findings.add('cache-missing', 'neither Cache-Control nor Expires says how long to keep it');
  else if (remaining <= 0) findings.add('cache-hostile', `${shown} makes clients fetch the set each time`);
  if (milliseconds > opencastPatience) {
    findings.add('slow', `the answer took ${milliseconds} ms; Opencast 19 waits ${opencastPatience}`);
  }
  const coding = headers['content-encoding']?.toLowerCase() ?? 'identity';
  if (coding !== 'identity')
    findings.add('compressed', `Content-Encoding ${coding.slice(0, 20)}, unasked for`);
};

const placeOf = (text: string): string => {
  if (!URL.canParse(text)) return 'a Location that is no URL';
  const { origin, pathname, protocol } = new URL(text);
  return origin === 'null' ? protocol : `${origin}${pathname}`;
};
