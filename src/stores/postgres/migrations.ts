/**
 * The schema, step by step; a step that was released is never changed.
 *
 * Keys are digests, so that no client id is too long for an index. A record's text holds all of it; the columns beside it
 * are what queries ask for. `changed` is the transaction that wrote it, which is how a replica finds what it was not told.
 * Counters are worth nothing after a crash, so they are not logged.
 */
export const migrations: readonly string[] = [
  `
  create table jwksd_registrations (
    client bytea not null,
    jkt bytea not null,
    expires bigint not null,
    tombstone text,
    record text not null,
    changed xid8 not null,
    primary key (client, jkt)
  );
  create index jwksd_registrations_holders on jwksd_registrations (jkt);
  create index jwksd_registrations_ends on jwksd_registrations (expires) where tombstone is null;
  create index jwksd_registrations_changed on jwksd_registrations (changed);
  create table jwksd_replays (
    client bytea not null,
    jti bytea not null,
    expires bigint not null,
    primary key (client, jti)
  );
  create index jwksd_replays_ends on jwksd_replays (expires);
  create table jwksd_nonces (nonce bytea primary key, expires bigint not null);
  create index jwksd_nonces_ends on jwksd_nonces (expires);
  create unlogged table jwksd_counters (name bytea primary key, hits integer not null, ends bigint not null);
  create index jwksd_counters_ends on jwksd_counters (ends);
  `,
];

/** Taken while the schema is looked at and changed: of many replicas that start at once, one does it. "jwks" in ASCII. */
export const migrationLock = 0x6a776b73;
