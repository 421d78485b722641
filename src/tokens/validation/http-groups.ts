import type { Clock } from '../../clock.ts';
import { decodeText, parseJson } from '../../jwk/json.ts';
import { Asker } from '../asker.ts';
import { groupsOfClaim, type GroupsAnswer, type GroupsResolver } from './groups.ts';

/** A server that knows groups. */
export interface HttpGroupsOptions {
  /** Asked with `?user=`; a query it has already is kept. */
  readonly url: string;
  /** Milliseconds for the whole question. */
  readonly timeout: number;
}

/** Asks `GET url?user=SUBJECT`: `{"groups": […]}` or `[…]`, and 404 for a subject without groups. */
export class HttpGroups implements GroupsResolver {
  readonly #url: string;
  readonly #asker: Asker;

  constructor({ url, timeout }: HttpGroupsOptions, clock: Clock) {
    this.#url = url;
    this.#asker = new Asker(clock, timeout);
  }

  async resolve(sub: string): Promise<GroupsAnswer> {
    const url = new URL(this.#url);
    url.searchParams.set('user', sub);
    const reply = await this.#asker.ask({ url: url.href, method: 'GET' });
    if (!reply.ok) return unavailable(`${reply.detail} (${reply.code})`);
    if (reply.status === 404) return { known: true, groups: [] };
    if (reply.status !== 200) return unavailable(`it answered ${reply.status}`);
    const text = decodeText(reply.bytes);
    const json = text === undefined ? undefined : parseJson(text);
    const value = json?.ok === true ? json.value : undefined;
    const list = Array.isArray(value) ? value : (value as { groups?: unknown } | null | undefined)?.groups;
    const groups = groupsOfClaim(list);
    return typeof groups === 'string'
      ? unavailable('its answer is neither a list of texts nor an object with one in groups')
      : { known: true, groups };
  }
}

const unavailable = (why: string): GroupsAnswer => ({
  known: 'unavailable',
  hint: `the server with the groups: ${why}`,
});
