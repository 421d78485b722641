import { admitJwk, privateMembers } from './admit.ts';
import { excerpt } from './excerpt.ts';

/** How a key is named in a comparison. */
export interface KeyName {
  /** Cut to 64 characters. */
  readonly kid?: string;
  readonly kty?: string;
  /** Absent for an entry that is no usable key. */
  readonly thumbprint?: string;
}

/** A member that differs; `from` or `to` is absent where the member is. Values are JSON, cut; of a private one only that it is there. */
export interface MemberChange {
  /** `key` stands for the key itself: its thumbprint. */
  readonly member: string;
  readonly from?: string;
  readonly to?: string;
}

/** What two JWK Sets do not share. */
export interface Comparison {
  readonly added: readonly KeyName[];
  readonly removed: readonly KeyName[];
  readonly changed: readonly (KeyName & { readonly members: readonly MemberChange[] })[];
}

interface Item {
  readonly name: KeyName;
  readonly kid: string | undefined;
  readonly thumbprint: string | undefined;
  /** JSON of each member that is compared, sorted by name. */
  readonly members: ReadonlyMap<string, string>;
}

/** They make the thumbprint, in whatever spelling (RFC 7638 §3.2). */
const material: ReadonlySet<string> = new Set(['kty', 'crv', 'n', 'e', 'x', 'y', 'pub']);
const secret: ReadonlySet<string> = new Set(privateMembers);

/**
 * Compares the entries of two sets, their order and the spelling of their numbers aside.
 *
 * Entries belong together when they are equal, otherwise by thumbprint and kid, by thumbprint, and by kid at last.
 */
export const compareSets = (before: readonly unknown[], after: readonly unknown[]): Comparison => {
  const changed: (KeyName & { members: readonly MemberChange[] })[] = [];
  let old = before.map(itemOf);
  let current = after.map(itemOf);
  const keys: readonly ((item: Item) => string | undefined)[] = [
    ({ thumbprint, members }) => JSON.stringify([thumbprint, ...members]),
    ({ thumbprint, kid }) => thumbprint && JSON.stringify([thumbprint, kid]),
    ({ thumbprint }) => thumbprint,
    ({ kid }) => kid,
  ];
  for (const keyOf of keys) {
    const waiting = new Map<string, Item[]>();
    for (const item of current) {
      const key = keyOf(item);
      if (key !== undefined) waiting.set(key, [...(waiting.get(key) ?? []), item]);
    }
    const matched = new Set<Item>();
    old = old.filter((item) => {
      const other = waiting.get(keyOf(item) ?? '')?.shift();
      if (other === undefined) return true;
      matched.add(other);
      const members = changesOf(item, other);
      if (members.length > 0) changed.push({ ...other.name, members });
      return false;
    });
    current = current.filter((item) => !matched.has(item));
  }
  return { added: current.map(({ name }) => name), removed: old.map(({ name }) => name), changed };
};

function itemOf(entry: unknown): Item {
  const isObject = typeof entry === 'object' && entry !== null && !Array.isArray(entry);
  const members: readonly (readonly [string, unknown])[] = isObject ? Object.entries(entry) : [['', entry]];
  // Nothing but what makes the thumbprint: a wrong alg does not make it another key.
  const numbers = Object.fromEntries(members.filter(([name]) => material.has(name)));
  const admission = admitJwk(numbers, { origin: 'upstream' });
  const thumbprint = admission.ok ? admission.key.thumbprint : undefined;
  const own = Object.fromEntries(members);
  const kid = typeof own['kid'] === 'string' ? own['kid'] : undefined;
  const [shownKid, kty] = [excerpt(kid), excerpt(own['kty'])];
  return {
    name: {
      ...(shownKid === undefined ? {} : { kid: shownKid }),
      ...(kty === undefined ? {} : { kty }),
      ...(thumbprint === undefined ? {} : { thumbprint }),
    },
    kid,
    thumbprint,
    members: new Map(
      members
        .filter(([name]) => thumbprint === undefined || !material.has(name))
        .map(([name, value]): [string, string] => [name, JSON.stringify(value)])
        .sort(([left], [right]) => (left < right ? -1 : 1)),
    ),
  };
}

function changesOf(old: Item, current: Item): readonly MemberChange[] {
  const changes: MemberChange[] = [];
  if (old.thumbprint !== current.thumbprint) {
    changes.push(change('key', old.thumbprint, current.thumbprint));
  }
  for (const member of new Set([...old.members.keys(), ...current.members.keys()])) {
    const [from, to] = [old.members.get(member), current.members.get(member)];
    if (from === to) continue;
    // Two private values that differ are told apart by nothing that is shown.
    const shown = secret.has(member) ? (value: string | undefined) => value && 'private' : excerpt;
    changes.push(change(excerpt(member) ?? '', shown(from), shown(to)));
  }
  return changes;
}

function change(member: string, from: string | undefined, to: string | undefined): MemberChange {
  return { member, ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to }) };
}
