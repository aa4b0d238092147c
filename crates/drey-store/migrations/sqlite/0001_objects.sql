-- Every resource of every kind. `created` is the revision of the first write and gives lists their order.
-- `open` and `deleted` are 0 or 1; `deleted_at` is in milliseconds since the epoch.
CREATE TABLE objects (
    id         TEXT   NOT NULL PRIMARY KEY,
    kind       TEXT   NOT NULL,
    namespace  TEXT   NOT NULL,
    name       TEXT   NOT NULL,
    owner      TEXT,
    open       BIGINT NOT NULL,
    deleted    BIGINT NOT NULL,
    deleted_at BIGINT,
    created    BIGINT NOT NULL,
    revision   BIGINT NOT NULL,
    doc        TEXT   NOT NULL,
    facts      TEXT
);
-- A name is free again as soon as its holder is a tombstone.
CREATE UNIQUE INDEX objects_by_name ON objects (kind, namespace, name) WHERE deleted = 0;
-- The watch.
CREATE UNIQUE INDEX objects_by_revision ON objects (revision);
-- Lists, newest first, of everything and of one Deployment.
CREATE INDEX objects_by_kind ON objects (kind, created) WHERE deleted = 0;
CREATE INDEX objects_by_owner ON objects (owner, kind, created) WHERE deleted = 0;
-- What the controller still works on; stays small however long the history grows.
CREATE INDEX objects_open ON objects (owner) WHERE open = 1 AND deleted = 0;
CREATE INDEX objects_tombstones ON objects (deleted_at) WHERE deleted = 1;

-- One row. `revision` is the last number given out; `purged` the highest number of a tombstone that is gone.
CREATE TABLE clock (
    id       BIGINT NOT NULL PRIMARY KEY,
    revision BIGINT NOT NULL,
    purged   BIGINT NOT NULL
);
INSERT INTO clock (id, revision, purged) VALUES (1, 0, 0);

-- Who may act. An empty holder is a lease that was given back; `expires_at` is in milliseconds since the epoch.
CREATE TABLE leases (
    name       TEXT   NOT NULL PRIMARY KEY,
    holder     TEXT   NOT NULL,
    epoch      BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
