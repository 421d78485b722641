import type { Key } from '../jwk/key.ts';
import type { SourceSnapshot } from '../sources/source.ts';
import { select, type Profile, type Selection } from './profiles.ts';
import type { WithheldKey } from './snapshot.ts';

/** A key chosen for a set, and the JSON it is published as. */
export interface Chosen {
  readonly key: Key;
  readonly source: string;
  readonly json: string;
}

/** The keys of a set in their order of publication, and those left out. */
export interface Merged {
  readonly chosen: readonly Chosen[];
  readonly withheld: readonly WithheldKey[];
  readonly ambiguousKids: readonly string[];
}

/**
 * Merges sources, first in order first, into the keys of one set; yields after each key.
 *
 * A `kid` belongs to the first source that publishes it here: another source's key of that name is withheld, so it can
 * never stand in for it. A denied key is nobody's. Two keys of one name inside one source both stay, for a mirror does not lose keys.
 */
export function* mergeSources(
  sources: readonly SourceSnapshot[],
  profile: Profile,
  denied: ReadonlySet<string>,
): Generator<void, Merged, void> {
  const chosen = new Map<string, Chosen>();
  const owners = new Map<string, { readonly source: string; readonly thumbprint: string }>();
  const withheld: WithheldKey[] = [];
  const ambiguous = new Set<string>();
  for (const source of sources) {
    for (const key of source.keys) {
      yield;
      const { name, thumbprint } = key;
      const { kid } = key.jwk;
      const selection: Selection = denied.has(thumbprint) ? { withheld: 'denied' } : select(profile, key);
      if ('withheld' in selection) {
        withheld.push({ source: source.name, thumbprint, kid, reason: selection.withheld });
        continue;
      }
      if (chosen.has(name)) continue;
      const owner = kid === undefined ? undefined : owners.get(kid);
      if (owner !== undefined && owner.source !== source.name) {
        withheld.push({ source: source.name, thumbprint, kid, reason: 'kid_conflict' });
        continue;
      }
      if (kid !== undefined) {
        if (owner === undefined) owners.set(kid, { source: source.name, thumbprint });
        else ambiguous.add(kid);
      }
      chosen.set(name, { key, source: source.name, json: selection.json });
    }
  }
  return { chosen: [...chosen.values()], withheld, ambiguousKids: [...ambiguous] };
}
