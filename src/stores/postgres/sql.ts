/** A prepared statement: its name, and text with parameters only. */
export interface Statement {
  readonly name: string;
  readonly text: string;
}

const statement = (name: string, text: string): Statement => ({ name: `jwksd_${name}`, text });

/** The channel on which replicas are told whose keys changed. */
export const channel = 'jwksd_registrations';

const locks = { client: 0x6a776b01, key: 0x6a776b02 };

/**
 * Holds back other writes about the client until the transaction ends. The parameter is 32 bits of its digest: two clients
 * with the same ones wait for each other, no more.
 */
export const lockClient = statement('lock_client', `select pg_advisory_xact_lock(${locks.client}, $1)`);

/** The same for a key, where keys are unique. Always after the client's lock, so that nobody waits in a circle. */
export const lockKey = statement('lock_key', `select pg_advisory_xact_lock(${locks.key}, $1)`);

/** Everything a decision looks at. The nonce's row is locked: two clients may come with one nonce. */
export const situation = statement(
  'situation',
  `with nonce as (select 1 from jwksd_nonces where nonce = $4 and expires > $5 for update)
   select
     exists (select 1 from jwksd_replays where client = $1 and jti = $3 and expires > $5) as replayed,
     exists (select 1 from nonce) as "nonceIsGood",
     (select record from jwksd_registrations where client = $1 and jkt = $2) as record,
     (select count(*) from jwksd_registrations where client = $1 and tombstone is null and expires > $5)::int as current,
     (select count(*) from jwksd_registrations where client = $1 and tombstone is not null)::int as tombstones,
     $6 and exists (
       select 1 from jwksd_registrations
       where jkt = $2 and client <> $1 and (tombstone = 'compromised' or (tombstone is null and expires > $5))
     ) as "heldElsewhere"`,
);

/** Writes a registration, and tells the replicas when it is committed. */
export const store = statement(
  'store',
  `with record as (
     insert into jwksd_registrations (client, jkt, expires, tombstone, record, changed)
     values ($1, $2, $3, null, $4, pg_current_xact_id())
     on conflict (client, jkt) do update set
       expires = excluded.expires, tombstone = null, record = excluded.record, changed = excluded.changed
   ), replay as (
     insert into jwksd_replays (client, jti, expires) select $1::bytea, $5::bytea, $6::bigint where $5::bytea is not null
     on conflict (client, jti) do update set expires = excluded.expires
   ), nonce as (
     delete from jwksd_nonces where nonce = $7
   )
   select pg_notify('${channel}', $8)`,
);

/** One record. */
export const get = statement('get', 'select record from jwksd_registrations where client = $1 and jkt = $2');

/** Turns a record into a tombstone, and tells the replicas. */
export const revoke = statement(
  'revoke',
  `with record as (
     update jwksd_registrations set tombstone = $3, record = $4, changed = pg_current_xact_id()
     where client = $1 and jkt = $2
   )
   select pg_notify('${channel}', $5)`,
);

/** A client's current records, and one row without a record; no row for an unknown client. */
export const published = statement(
  'published',
  `select client, jkt, record from (
     select client, jkt, record from jwksd_registrations where client = $1 and tombstone is null and expires > $2
     union all (select client, null, null from jwksd_registrations where client = $1 limit 1)
   ) found order by jkt`,
);

/** A page of a list. */
export const list = statement(
  'list',
  `select client, jkt, record from jwksd_registrations
   where (client, jkt) > ($1, $2) and client <= $3
   order by client, jkt limit $4`,
);

/** Remembers a nonce. */
export const addNonce = statement(
  'add_nonce',
  `insert into jwksd_nonces (nonce, expires) values ($1, $2)
   on conflict (nonce) do update set expires = excluded.expires`,
);

const sweep = (table: string, name: string, key: string, condition: string): Statement =>
  statement(
    `sweep_${name}`,
    `delete from ${table} where (${key}) in (
       select ${key} from ${table} where ${condition} limit 5000 for update skip locked
     )`,
  );

/** Removes some of what ended, and leaves alone what another replica is removing. */
export const sweeps = {
  records: sweep('jwksd_registrations', 'records', 'client, jkt', 'tombstone is null and expires <= $1'),
  replays: sweep('jwksd_replays', 'replays', 'client, jti', 'expires <= $1'),
  nonces: sweep('jwksd_nonces', 'nonces', 'nonce', 'expires <= $1'),
  counters: sweep('jwksd_counters', 'counters', 'name', 'ends <= $1'),
} as const;

/** Rows that one sweep removes at most. */
export const sweepLimit = 5000;

/** Counts a hit in the window that runs, or starts one. */
export const hit = statement(
  'hit',
  `insert into jwksd_counters as counter (name, hits, ends) values ($1, 1, $2::bigint + $3::bigint)
   on conflict (name) do update set
     hits = case when counter.ends > $2 then counter.hits + 1 else 1 end,
     ends = case when counter.ends > $2 then counter.ends else excluded.ends end
   returning hits as count, (ends - $2)::int as left`,
);

/** Changed clients that are listed one by one; when there are more, the caller forgets all it knows. */
export const mostChanges = 1000;

/**
 * Who changed since the last look. Transactions commit in another order than they begin, so the next look starts at the
 * oldest one that was still running at this one. The upper end is for databases restored from a dump: their rows may name
 * transactions that have not been yet.
 */
export const changes = statement(
  'changes',
  `select pg_snapshot_xmin(now.snapshot)::text as next,
     array(
       select distinct client from jwksd_registrations
       where changed >= $1::text::xid8 and changed < pg_snapshot_xmax(now.snapshot) limit ${mostChanges + 1}
     ) as clients
   from (select pg_current_snapshot() as snapshot) now`,
);
