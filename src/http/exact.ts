import type { IncomingMessage, ServerResponse } from 'node:http';
import type { KeyringView } from '../keyring/keyring.ts';
import type { PublishedKey, Rendition, SetSnapshot, Snapshot } from '../keyring/snapshot.ts';
import type { Documents } from './documents.ts';

/** Answers a request, or tells that it is somebody else's. */
export type Attempt = (request: IncomingMessage, response: ServerResponse) => boolean;

interface Pem {
  readonly set: SetSnapshot;
  readonly key: PublishedKey;
  readonly pem: Rendition;
}

const findPem = ({ pemDirectories }: Snapshot, url: string): Pem | undefined => {
  if (!url.endsWith('.pem')) return undefined;
  const slash = url.lastIndexOf('/');
  const set = pemDirectories.get(url.slice(0, slash));
  const keys = set?.byDigest.get(url.slice(slash + 1, -'.pem'.length));
  const key = keys?.length === 1 ? keys[0] : undefined;
  return set === undefined || key?.pem === undefined ? undefined : { set, key, pem: key.pem };
};

/**
 * Answers what nearly every client asks for, letter for letter, in front of Fastify: a JWK Set or a PEM that is there.
 *
 * Everything else, be it another spelling of the same path, a missing key or a query, is Fastify's, and its routes
 * answer the same documents with the same bytes. What Fastify does for each request (routing, a request, a reply, their
 * garbage) costs a fifteenth of an answer (docs/decisions/0001).
 */
export const createExactAnswers = (options: { keyring: KeyringView; documents: Documents }): Attempt => {
  const { keyring, documents } = options;
  // What was found once in a snapshot; there is no more of it than keys in PEM directories.
  let asked = { snapshot: keyring.current, pems: new Map<string, Pem>() };
  return (request, response) => {
    const { method, url = '' } = request;
    if (method !== 'GET' && method !== 'HEAD') return false;
    const { current } = keyring;
    const set = current.documents.get(url);
    if (set !== undefined) {
      if (set.document === undefined) return false;
      documents.jwkSet(set, set.document, request, response);
      return true;
    }
    if (asked.snapshot !== current) asked = { snapshot: current, pems: new Map() };
    let found = asked.pems.get(url);
    if (found === undefined) {
      found = findPem(current, url);
      if (found === undefined) return false;
      asked.pems.set(url, found);
    }
    documents.pem(found.set, found.key, found.pem, 'pem', request, response);
    return true;
  };
};
