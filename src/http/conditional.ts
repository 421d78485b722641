import type { IncomingHttpHeaders } from 'node:http';

const time = String.raw`\d{2}:\d{2}:\d{2}`;
const imfDate = new RegExp(String.raw`^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} ${time} GMT$`, 'u');
const rfc850Date = new RegExp(String.raw`^[A-Z][a-z]{5,8}, \d{2}-[A-Z][a-z]{2}-\d{2} ${time} GMT$`, 'u');
const asctimeDate = new RegExp(String.raw`^[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d ${time} \d{4}$`, 'u');

/** Milliseconds since the epoch of a date in one of the three forms of RFC 9110 §5.6.7; NaN for anything else. */
const parseHttpDate = (text: string): number => {
  if (imfDate.test(text) || rfc850Date.test(text)) return Date.parse(text);
  return asctimeDate.test(text) ? Date.parse(`${text} GMT`) : Number.NaN;
};

const lists = (header: string, etag: string): boolean => {
  if (header.trim() === '*') return true;
  for (const [candidate] of header.matchAll(/"[^"]*"/gu)) if (candidate === etag) return true;
  return false;
};

/**
 * Whether the client already holds what would be sent, so that the answer is 304.
 *
 * `If-None-Match` compares weakly and, when present, hides `If-Modified-Since` (RFC 9110 §13.1.2, §13.1.3). A date that
 * cannot be read is ignored.
 */
export const isNotModified = (headers: IncomingHttpHeaders, etag: string, lastModified: number): boolean => {
  const known = headers['if-none-match'];
  if (known !== undefined) return known === etag || lists(known, etag);
  const since = headers['if-modified-since'];
  return since !== undefined && parseHttpDate(since) >= lastModified;
};
