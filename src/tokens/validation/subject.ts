/**
 * Whether a `sub` names somebody: a text with at least one character.
 *
 * Halves of surrogate pairs are no characters: outside of JSON they all become U+FFFD, and two subjects would be one.
 */
export const isSubject = (sub: unknown): sub is string =>
  typeof sub === 'string' && sub !== '' && !/\p{Surrogate}/u.test(sub);
