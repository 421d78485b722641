/** The constraints of the clients of a set. */
export const profiles = ['generic', 'jitsi', 'opencast', 'full'] as const;

/** One of {@link profiles}. */
export type Profile = (typeof profiles)[number];
