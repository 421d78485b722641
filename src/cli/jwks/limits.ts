/** Largest JWK Set or key file the `jwks` commands read, in bytes: as large as a file that is served. */
export const largestDocument = 16 * 1024 * 1024;
