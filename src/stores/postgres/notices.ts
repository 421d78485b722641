import type { Client } from 'pg';
import type { Cancel, Clock } from '../../clock.ts';
import type { Listeners } from '../listeners.ts';
import type { Connections } from './connections.ts';
import { changes, channel, mostChanges } from './sql.ts';

const lookEvery = 1000;
const pauses = { shortest: 200, longest: 5000 } as const;

/**
 * Tells listeners what other replicas changed: at once through LISTEN, and by a look every second, which needs no
 * connection of its own and misses nothing that a lost notice would have told.
 */
export class Notices {
  readonly #connections: Connections;
  readonly #listeners: Listeners;
  readonly #clock: Clock;
  /** The oldest transaction that the next look has to consider. */
  #since: string | undefined;
  #client: Client | undefined;
  #pause: number = pauses.shortest;
  #closed = false;
  #cancelLook: Cancel = () => undefined;
  #cancelConnect: Cancel = () => undefined;

  constructor(connections: Connections, listeners: Listeners, clock: Clock) {
    this.#connections = connections;
    this.#listeners = listeners;
    this.#clock = clock;
  }

  async start(): Promise<void> {
    await Promise.all([this.#look(), this.#listen()]);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#cancelLook();
    this.#cancelConnect();
    await this.#client?.end().catch(() => undefined);
  }

  /** Also what notices that the server is back when nobody asks for anything. */
  async #look(): Promise<void> {
    try {
      const [found] = await this.#connections.run(
        async (runner) =>
          await runner.rows<{ next: string; clients: Buffer[] }>(changes, [this.#since ?? null]),
      );
      if (found !== undefined) {
        if (found.clients.length > mostChanges) this.#listeners.tell('all');
        else if (found.clients.length > 0)
          this.#listeners.tell(found.clients.map((client) => client.toString('base64url')));
        this.#since = found.next;
      }
    } catch {
      // The store's health tells it.
    }
    if (!this.#closed) this.#cancelLook = this.#clock.after(lookEvery, () => void this.#look());
  }

  async #listen(): Promise<void> {
    const client = this.#connections.createClient();
    let ended = false;
    const end = (): void => {
      if (ended) return;
      ended = true;
      client.end().catch(() => undefined);
      if (this.#closed) return;
      this.#cancelConnect = this.#clock.after(this.#pause, () => void this.#listen());
      this.#pause = Math.min(pauses.longest, 2 * this.#pause);
    };
    client.on('error', end);
    client.on('end', end);
    client.on('notification', ({ payload }) => {
      if (payload !== undefined) this.#listeners.tell([payload]);
    });
    this.#client = client;
    try {
      await client.connect();
      await client.query(`listen ${channel}`);
      this.#pause = pauses.shortest;
      // What was told while nobody listened is not known.
      this.#listeners.tell('all');
    } catch {
      end();
    }
  }
}
