import type { Client, ClientConfig, Pool, PoolClient, PoolConfig } from 'pg';
import type { Clock } from '../../clock.ts';
import { JwksdError } from '../../errors.ts';
import type { StoreHealth, StoreLog } from '../store.ts';
import { unavailable } from '../unavailable.ts';
import { migrationLock, migrations } from './migrations.ts';
import type { Statement } from './sql.ts';

const shortestPause = 200;
const longestPause = 5000;

/** What runs statements: a connection inside `transaction`, any connection outside. */
export interface Runner {
  rows<Row>(statement: Statement, values: readonly unknown[]): Promise<readonly Row[]>;
  /** How many rows the statement wrote. */
  count(statement: Statement, values: readonly unknown[]): Promise<number>;
}

/**
 * Whether the server refused a statement and the connection is as good as before. Not so when it ends connections (class
 * 08, 57P), and not when it is a standby (25006): the next connection may find the primary.
 */
const isOfStatement = (error: unknown): boolean => {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' && /^(?!08|57P|25006)[0-9A-Z]{5}$/u.test(code);
};

/**
 * Connections to one database, and the knowledge whether there are any.
 *
 * Every wait is bounded, and while the server is known to be away a caller is refused at once: one attempt after each
 * pause finds out whether it is back. The schema is looked after by the first connection that is made.
 */
export class Connections {
  readonly #pool: Pool;
  readonly #clock: Clock;
  readonly #log: StoreLog;
  #failure: string | undefined;
  #connected = false;
  #lastOk: number | undefined;
  #attempting = false;
  #attemptAt = 0;
  #pause = shortestPause;
  #migrated: Promise<void> | undefined;
  #closing: Promise<void> | undefined;
  /** Makes a connection of its own, for LISTEN. */
  readonly createClient: () => Client;

  private constructor(pool: Pool, createClient: () => Client, clock: Clock, log: StoreLog) {
    this.#pool = pool;
    this.createClient = createClient;
    this.#clock = clock;
    this.#log = log;
    // An idle connection that breaks is dropped by the pool; whether the server is away, the next one finds out.
    pool.on('error', () => undefined);
    pool.on('connect', (client) => {
      // Acknowledged is durable; an operator's stronger setting stays.
      const raise = `select set_config('synchronous_commit', 'on', false) where current_setting('synchronous_commit') = 'off'`;
      client.query(raise).catch(() => undefined);
    });
  }

  static async open(url: string, clock: Clock, log: StoreLog): Promise<Connections> {
    // Of no use to a server with another store: loaded here and nowhere else.
    const { default: pg } = await import('pg');
    const options: ClientConfig = {
      connectionString: url,
      application_name: 'jwksd',
      connectionTimeoutMillis: 2000,
      // The server gives up first and says why; the second limit is for a server that says nothing any more.
      statement_timeout: 3000,
      lock_timeout: 2000,
      query_timeout: 4000,
      idle_in_transaction_session_timeout: 10_000,
      keepAlive: true,
    };
    const poolOptions: PoolConfig = { ...options, max: 10, idleTimeoutMillis: 30_000, allowExitOnIdle: true };
    return new Connections(new pg.Pool(poolOptions), () => new pg.Client(options), clock, log);
  }

  get health(): StoreHealth {
    if (this.#failure !== undefined) return { ok: false, detail: outOfReach(this.#failure) };
    return this.#connected ? { ok: true } : { ok: false, detail: 'not yet connected to PostgreSQL' };
  }

  /** When the server last answered, milliseconds since the epoch. */
  get lastOk(): number | undefined {
    return this.#lastOk;
  }

  /** @throws {JwksdError} `store_unavailable` */
  async run<T>(task: (runner: Runner) => Promise<T>): Promise<T> {
    return await this.#withClient(async (client) => await task(runnerOf(client)));
  }

  /** Runs a task in a transaction, which ends with it. @throws {JwksdError} `store_unavailable` */
  async transaction<T>(task: (runner: Runner) => Promise<T>): Promise<T> {
    return await this.#withClient(async (client) => {
      await client.query('begin');
      try {
        const result = await task(runnerOf(client));
        await client.query('commit');
        return result;
      } catch (error) {
        // Where this fails too, the connection is given up, and the server rolls back by itself.
        if (isOfStatement(error) || error instanceof JwksdError) await client.query('rollback');
        throw error;
      }
    });
  }

  async close(): Promise<void> {
    this.#closing ??= this.#pool.end().catch(() => undefined);
    await this.#closing;
  }

  async #withClient<T>(task: (client: PoolClient) => Promise<T>): Promise<T> {
    if (this.#closing !== undefined) throw unavailable('the store is closed');
    // One caller finds out whether the server is back; the others are refused at once.
    const isProbe = this.#failure !== undefined;
    if (this.#failure !== undefined) {
      if (this.#attempting || this.#clock.now() < this.#attemptAt)
        throw unavailable(outOfReach(this.#failure));
      this.#attempting = true;
    }
    try {
      const result = await this.#withConnection(task);
      this.#recovered();
      return result;
    } catch (error) {
      // Of the many that fail at the same moment only this one has found out something new.
      if (isProbe) this.#pause = Math.min(longestPause, 2 * this.#pause);
      throw error;
    } finally {
      if (isProbe) this.#attempting = false;
    }
  }

  async #withConnection<T>(task: (client: PoolClient) => Promise<T>): Promise<T> {
    let client: PoolClient | undefined;
    let broken = false;
    let migrated = false;
    // A connection that breaks in use tells whoever waits for an answer, and this listener, without which it would be an
    // uncaught exception.
    const onError = (): void => void (broken = true);
    try {
      client = await this.#pool.connect();
      client.on('error', onError);
      await this.#migrate(client);
      migrated = true;
      return await task(client);
    } catch (error) {
      const refusal =
        error instanceof JwksdError ? error : unavailable(`PostgreSQL refuses: ${messageOf(error)}`, error);
      broken ||= !(error instanceof JwksdError || isOfStatement(error));
      if (migrated && !broken) {
        this.#recovered();
        throw refusal;
      }
      this.#failed(error);
      throw unavailable(outOfReach(messageOf(error)), error);
    } finally {
      client?.off('error', onError);
      client?.release(broken);
    }
  }

  async #migrate(client: PoolClient): Promise<void> {
    this.#migrated ??= migrate(client).catch((error: unknown) => {
      this.#migrated = undefined;
      throw error;
    });
    await this.#migrated;
  }

  #recovered(): void {
    this.#lastOk = this.#clock.wall();
    this.#pause = shortestPause;
    if (this.#connected && this.#failure === undefined) return;
    this.#connected = true;
    this.#failure = undefined;
    this.#log.info({}, 'connected to PostgreSQL');
  }

  #failed(error: unknown): void {
    if (this.#closing !== undefined) return;
    const detail = messageOf(error);
    if (this.#failure !== detail) this.#log.warn({ err: error }, 'PostgreSQL is out of reach');
    this.#failure = detail;
    // Not all replicas at the same moment.
    this.#attemptAt = this.#clock.now() + this.#pause * (0.5 + Math.random() / 2);
  }
}

const outOfReach = (detail: string): string => `PostgreSQL is out of reach: ${detail}`;

const runnerOf = (client: PoolClient): Runner => ({
  rows: async <Row>(statement: Statement, values: readonly unknown[]) =>
    (await client.query({ ...statement, values: [...values] })).rows as Row[],
  count: async (statement, values) =>
    (await client.query({ ...statement, values: [...values] })).rowCount ?? 0,
});

/** Never the connection string: pg's messages name hosts and users, no passwords. */
const messageOf = (error: unknown): string => {
  if (error instanceof AggregateError) return error.errors.map((each) => messageOf(each)).join(', ');
  return error instanceof Error ? error.message : String(error);
};

async function migrate(client: PoolClient): Promise<void> {
  await client.query('begin');
  try {
    await client.query('select pg_advisory_xact_lock($1)', [migrationLock]);
    await client.query(
      'create table if not exists jwksd_migrations (version integer primary key, applied timestamptz not null default now())',
    );
    const { rows } = await client.query<{ version: number }>(
      'select coalesce(max(version), 0) as version from jwksd_migrations',
    );
    const done = rows[0]?.version ?? 0;
    for (const [index, migration] of migrations.entries()) {
      if (index < done) continue;
      await client.query(migration);
      await client.query('insert into jwksd_migrations (version) values ($1)', [index + 1]);
    }
    await client.query('commit');
  } catch (error) {
    await client.query('rollback').catch(() => undefined);
    throw error;
  }
}
