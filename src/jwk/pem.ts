/** One block of a PEM text (RFC 7468), or why it is none. */
export type PemBlock =
  | { readonly label: string; readonly der: Buffer; readonly problem?: never; readonly locked?: never }
  | {
      readonly label: string;
      readonly problem: string;
      /** The block as it stands, where only a passphrase is missing to read it (RFC 1421 §4.6.1.1). */
      readonly locked?: string;
    };

const literalLineBreaks =
  'it holds the two characters "\\n" where line breaks belong: replace each with a real line break';
const glued = 'the BEGIN line does not stand alone: restore the line breaks';
const indented = 'its lines are indented: remove the spaces in front of them';

/**
 * Splits a PEM text into its blocks, one at a time.
 *
 * CRLF, blank lines, trailing spaces and text around the blocks are read over. What people do to a key by pasting it
 * is told by name instead of being repaired, because other readers of the same file would fail on it.
 */
export function* pemBlocks(text: string): Generator<PemBlock, void, void> {
  let label: string | undefined;
  let problem: string | undefined;
  let body: string[] = [];
  let headers: string[] = [];
  const end = (was: string): PemBlock => {
    const base64 = body.join('');
    if (problem === undefined && !/^[\d+/A-Za-z]+={0,2}$/.test(base64)) problem = 'its body is not base64';
    if (problem === undefined) return { label: was, der: Buffer.from(base64, 'base64') };
    if (problem !== encrypted) return { label: was, problem };
    const lines = [`-----BEGIN ${was}-----`, ...headers, '', ...body, `-----END ${was}-----`, ''];
    return { label: was, problem, locked: lines.join('\n') };
  };
  for (const [line] of text.matchAll(/[^\r\n]+/g)) {
    const begin = /^(.*?)-----BEGIN ([ \dA-Z]{1,40})-----(.*)$/.exec(line);
    if (begin !== null) {
      if (label !== undefined) yield { label, problem: 'it has no END line' };
      const [, before = '', name = '', rest = ''] = begin;
      label = name;
      body = [];
      headers = [];
      problem = before === '' ? undefined : indented;
      if (rest.trim() !== '' || before.trim() !== '') {
        const why = rest.includes(String.raw`\n`) ? literalLineBreaks : glued;
        yield { label, problem: why };
        label = undefined;
      }
    } else if (label !== undefined && /^\s*-----END /.test(line)) {
      yield end(label);
      label = undefined;
    } else if (label !== undefined) {
      if (line.includes(String.raw`\n`)) problem ??= literalLineBreaks;
      else if (/^\s+\S/.test(line)) problem ??= indented;
      // Headers of the old encapsulation (RFC 1421 §4.4) are not part of the key.
      else if (/^[\dA-Za-z-]+:/.test(line)) headers.push(line.trimEnd());
      else body.push(line.trimEnd());
      if (/^Proc-Type:.*ENCRYPTED/.test(line)) problem ??= encrypted;
    }
  }
  if (label !== undefined) yield { label, problem: 'it has no END line' };
}

/** What to do about a private key that needs a passphrase. */
export const encrypted =
  'it is encrypted: write its public half with "openssl pkey -in FILE -pubout" and put that here';
