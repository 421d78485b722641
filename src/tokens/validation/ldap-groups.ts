import { isIP } from 'node:net';
import type { ConnectionOptions } from 'node:tls';
import { Client, type Entry } from 'ldapts';
import type { Cancel, Clock } from '../../clock.ts';
import { readSecretFile } from '../../sources/secret-file.ts';
import { Authorities } from '../../sources/upstream/authorities.ts';
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

/**
 * A value as it stands in a filter: nothing of it can end the value or match anything else (RFC 4515 §3).
 *
 * What is not ASCII stays as it is, because ldapts takes each escaped byte for a character of its own.
 */
export const escapeFilterValue = (value: string): string =>
  value.replaceAll(
    // oxlint-disable-next-line no-control-regex -- control characters are among what is escaped
    /[\u0000-\u007f]/gu,
    (character) =>
      /[A-Za-z0-9@._ =,+-]/u.test(character)
        ? character
        : `\\${character.charCodeAt(0).toString(16).padStart(2, '0')}`,
  );

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
  readonly #authorities: Authorities;

  constructor(options: LdapOptions, clock: Clock) {
    this.#options = options;
    this.#clock = clock;
    this.#authorities = new Authorities(options.caFile);
  }

  async resolve(sub: string): Promise<GroupsAnswer> {
    const { timeout } = this.#options;
    const connection: { client?: Client; late: boolean } = { late: false };
    let cancel: Cancel | undefined;
    const late = new Promise<GroupsAnswer>((resolve) => {
      cancel = this.#clock.after(timeout, () => {
        connection.late = true;
        end(connection.client);
        resolve(unavailable(`no complete answer within ${timeout} ms`));
      });
    });
    const work = async (): Promise<GroupsAnswer> => {
      try {
        const tls = await this.#tls();
        const client = this.#client(tls);
        connection.client = client;
        if (this.#options.startTls) await client.startTLS(tls);
        // ldapts would open another connection in the place of one that was ended.
        return await this.#ask(client, sub, () => connection.late);
      } catch (error) {
        return unavailable(error instanceof Error ? `${error.name}: ${error.message}` : 'it failed');
      } finally {
        cancel?.();
        end(connection.client);
      }
    };
    return await Promise.race([work(), late]);
  }

  #client(tls: ConnectionOptions): Client {
    const { url, timeout } = this.#options;
    const tlsOptions = url.startsWith('ldaps') ? { tlsOptions: tls } : {};
    return new Client({ url, timeout, connectTimeout: timeout, ...tlsOptions });
  }

  async #tls(): Promise<ConnectionOptions> {
    const { url } = this.#options;
    if (url.startsWith('ldap:') && !this.#options.startTls) return {};
    const host = new URL(url).hostname.replaceAll(/[[\]]/gu, '');
    const secureContext = await this.#authorities.context();
    return {
      host,
      // RFC 6066 §3: an address is no server name.
      ...(isIP(host) === 0 ? { servername: host } : {}),
      ...(secureContext === undefined ? {} : { secureContext }),
    };
  }

  async #ask(client: Client, sub: string, isLate: () => boolean): Promise<GroupsAnswer> {
    const { bindDn, passwordFile, base, userFilter, filter, attribute } = this.#options;
    if (bindDn !== null && passwordFile !== null) {
      const password = await readSecretFile(passwordFile);
      // RFC 4513 §5.1.2: an empty password would be taken for an anonymous bind.
      if (password === undefined) return unavailable('passwordFile is empty');
      if (isLate()) return unavailable('it took too long');
      await client.bind(bindDn, password);
    }
    const users = await client.search(base, {
      scope: 'sub',
      filter: filled(userFilter, { sub }),
      attributes: ['1.1'],
      sizeLimit: 2,
    });
    if (isLate()) return unavailable('it took too long');
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

/** Ends a connection in whatever state it is. */
const end = (client: Client | undefined): void => {
  client?.unbind().catch(() => undefined);
};

const unavailable = (why: string): GroupsAnswer => ({
  known: 'unavailable',
  hint: `the LDAP directory: ${why}`,
});
