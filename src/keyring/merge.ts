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

/** Who a name belongs to, and whether as a `kid` or as the thumbprint of a key. */
interface Owner {
  readonly source: string;
  readonly thumbprint: string;
  readonly byKid: boolean;
}

/**
 * Merges sources, first in order first, into the keys of one set; yields after each key.
 *
 * A name, `kid` or thumbprint, belongs to the first source that publishes it here: another source's key of that name is withheld, so it can
 * never stand in for it. A denied key is nobody's. Two keys of one name inside one source both stay, for a mirror does not lose keys.
 */
export function* mergeSources(
  sources: readonly SourceSnapshot[],
  profile: Profile,
  denied: ReadonlySet<string>,
): Generator<void, Merged, void> {
  const chosen = new Map<string, Chosen>();
  const owners = new Map<string, Owner>();
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
      const isOther = owner !== undefined && owner.thumbprint !== thumbprint;
      if (isOther && owner.source !== source.name) {
        withheld.push({ source: source.name, thumbprint, kid, reason: 'kid_conflict' });
        continue;
      }
      if (isOther && kid !== undefined && owner.byKid) ambiguous.add(kid);
      // A key answers to its thumbprint too, so that name is taken as well.
      owners.set(thumbprint, owners.get(thumbprint) ?? { source: source.name, thumbprint, byKid: false });
      if (kid !== undefined && owner?.byKid !== true)
        owners.set(kid, { source: source.name, thumbprint, byKid: true });
      chosen.set(name, { key, source: source.name, json: selection.json });
    }
  }
  return { chosen: [...chosen.values()], withheld, ambiguousKids: [...ambiguous] };
}
