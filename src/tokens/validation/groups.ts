/** What a place that may know the groups of a subject says. */
export type GroupsAnswer =
  /** It knows them; may be empty. */
  | { readonly known: true; readonly groups: readonly string[] }
  /** It has nothing to say: the next place is asked. */
  | { readonly known: false }
  /** It could not be asked, and that is not to be taken for an empty answer. */
  | { readonly known: 'unavailable'; readonly hint: string };

/** A place that may know the groups of a subject. */
export interface GroupsResolver {
  /** Never rejects. */
  resolve(sub: string): Promise<GroupsAnswer>;
}

/** What the claim with the groups holds; `malformed` for anything but a list of texts. */
export const groupsOfClaim = (claim: unknown): readonly string[] | 'absent' | 'malformed' => {
  // A present claim wins even when it is empty; null says nothing, as an absent one does.
  if (claim === undefined || claim === null) return 'absent';
  if (!Array.isArray(claim)) return 'malformed';
  const list: readonly unknown[] = claim;
  return list.every((each) => typeof each === 'string') ? distinct(list) : 'malformed';
};

/** Each group once, whatever its case; the first spelling is kept. */
export const distinct = (groups: readonly string[]): readonly string[] => {
  const seen = new Map<string, string>();
  for (const group of groups) {
    const folded = group.toLowerCase();
    if (!seen.has(folded)) seen.set(folded, group);
  }
  return [...seen.values()];
};
