import { hash } from 'node:crypto';

/**
 * Names a key the way Jitsi asks for it: lower-case hex SHA-256 of the `kid`.
 *
 * Prosody hashes the key ID before it builds the URL, so a token can never steer the request path. Not the RFC 7638
 * thumbprint, which hashes the key and survives renaming; this hashes the name and survives rotation.
 */
export const kidDigest = (kid: string): string => hash('sha256', kid, 'hex');
