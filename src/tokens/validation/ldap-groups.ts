import { readFile } from 'node:fs/promises';
import type { ConnectionOptions } from 'node:tls';
import { Client, type Entry } from 'ldapts';
import type { Clock } from '../../clock.ts';
import { readSecretFile } from '../../sources/secret-file.ts';
import type { GroupsAnswer, GroupsResolver } from './groups.ts';

/** An LDAP directory (RFC 4511), and how groups are found in it. */
export interface LdapOptions {
  readonly url: string;
  /** Null: anonymous. */
  readonly bindDn: string | null;
  readonly passwordFile: string | null;
  readonly base: string;
  readonly userFilter: string;
  readonly filter: string;
  readonly attribute: string;
  readonly startTls: boolean;
  readonly caFile: string | null;
  /** Milliseconds for the whole question. */
  readonly timeout: number;
}

/** Groups of one subject at most. */
const maxGroups = 10_000;

/** A value as it stands in a filter: nothing of it can end the value or match anything else (RFC 4515 §3). */
export const escapeFilterValue = (value: string): string =>
  [...Buffer.from(value)]
    .map((byte) => {
      const character = String.fromCharCode(byte);
      return /[A-Za-z0-9@._ =,+-]/u.test(character) ? character : `\\${byte.toString(16).padStart(2, '0')}`;
    })
    .join('');

/** A filter with its places filled in. */
const filled = (template: string, values: Readonly<Record<string, string>>): string =>
  template.replaceAll(/\{\{(\w+)\}\}/gu, (place, name: string) =>
    values[name] === undefined ? place : escapeFilterValue(values[name]),
  );

const textsOf = (entry: Entry, attribute: string): readonly string[] => {
  const name = Object.keys(entry).find((each) => each.toLowerCase() === attribute.toLowerCase());
  const value = name === undefined ? [] : entry[name];
  return (Array.isArray(value) ? value : [value]).map((each) =>
    Buffer.isBuffer(each) ? each.toString('utf8') : String(each),
  );
};

/**
 * Asks an LDAP directory: first for the one entry of the subject, then for the groups that name it.
 *
 * Each question has a connection of its own, bound anew, so that a changed password or certificate counts at once;
 * what it says is kept by whoever asks. Referrals are not followed.
 */
export class LdapGroups implements GroupsResolver {
  readonly #options: LdapOptions;
  readonly #clock: Clock;

  constructor(options: LdapOptions, clock: Clock) {
    this.#options = options;
    this.#clock = clock;
  }

  async resolve(sub: string): Promise<GroupsAnswer> {
    const { url, timeout } = this.#options;
    let client: Client | undefined;
    let cancel: (() => void) | undefined;
    const late = new Promise<GroupsAnswer>((resolve) => {
      cancel = this.#clock.after(timeout, () =>
        resolve(unavailable(`no complete answer within ${timeout} ms`)),
      );
    });
    const work = async (): Promise<GroupsAnswer> => {
      try {
        const tlsOptions = await this.#tls();
        client = new Client({
          url,
          timeout,
          connectTimeout: timeout,
          ...(url.startsWith('ldaps') ? { tlsOptions } : {}),
        });
        if (this.#options.startTls) await client.startTLS(tlsOptions);
        return await this.#ask(client, sub);
      } catch (error) {
        return unavailable(error instanceof Error ? `${error.name}: ${error.message}` : 'it failed');
      }
    };
    try {
      return await Promise.race([work(), late]);
    } finally {
      cancel?.();
      client?.unbind().catch(() => undefined);
    }
  }

  async #tls(): Promise<ConnectionOptions> {
    const { caFile, url } = this.#options;
    const { hostname } = new URL(url);
    return {
      servername: hostname.replace(/^\[|\]$/gu, ''),
      ...(caFile === null ? {} : { ca: await readFile(caFile) }),
    };
  }

  async #ask(client: Client, sub: string): Promise<GroupsAnswer> {
    const { bindDn, passwordFile, base, userFilter, filter, attribute } = this.#options;
    if (bindDn !== null && passwordFile !== null) {
      const password = await readSecretFile(passwordFile);
      // RFC 4513 §5.1.2: an empty password would be taken for an anonymous bind.
      if (password === undefined) return unavailable('passwordFile is empty');
      await client.bind(bindDn, password);
    }
    const users = await client.search(base, {
      scope: 'sub',
      filter: filled(userFilter, { sub }),
      attributes: ['1.1'],
      sizeLimit: 2,
    });
    const [user, ...more] = users.searchEntries;
    if (user === undefined) return { known: false };
    if (more.length > 0) return unavailable('userFilter finds more than one entry for a subject');
    const found = await client.search(base, {
      scope: 'sub',
      filter: filled(filter, { dn: user.dn, sub }),
      attributes: [attribute],
      sizeLimit: maxGroups,
      paged: { pageSize: 500 },
    });
    return { known: true, groups: found.searchEntries.flatMap((entry) => textsOf(entry, attribute)) };
  }
}

const unavailable = (why: string): GroupsAnswer => ({
  known: 'unavailable',
  hint: `the LDAP directory: ${why}`,
});
