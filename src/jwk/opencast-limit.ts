/**
 * Bytes of a JWK Set at which Opencast 19 gives up: its Nimbus reads as many and then refuses, also when nothing
 * follows. A set must be smaller.
 */
export const opencastLimit = 51_200;
