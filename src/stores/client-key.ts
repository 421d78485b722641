import { createHash } from 'node:crypto';

/** SHA-256 of any text: 32 bytes that stand for it wherever a key of limited size is needed. */
export const textDigest = (text: string): Buffer =>
  // UTF-16, because UTF-8 writes every lone surrogate as U+FFFD and two client ids would be one.
  createHash('sha256').update(text, 'utf16le').digest();

/** Names a client in caches, change notifications and keys of stores: base64url SHA-256 of its id, whatever the id holds. */
export const clientKey = (clientId: string): string => textDigest(clientId).toString('base64url');
