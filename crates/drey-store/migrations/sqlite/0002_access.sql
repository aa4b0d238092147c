-- Namespaces. `terminating` is 0 or 1; `version` counts the writes of one namespace, for optimistic locking.
CREATE TABLE namespaces (
    name        TEXT   NOT NULL PRIMARY KEY,
    terminating BIGINT NOT NULL,
    version     BIGINT NOT NULL,
    doc         TEXT   NOT NULL
);
INSERT INTO namespaces (name, terminating, version, doc) VALUES ('default', 0, 1, '{}');

-- API tokens. Of the secret only the SHA-256 is kept, in hexadecimal; times are in milliseconds since the epoch.
CREATE TABLE api_tokens (
    id         TEXT   NOT NULL PRIMARY KEY,
    namespace  TEXT   NOT NULL,
    name       TEXT   NOT NULL,
    role       TEXT   NOT NULL,
    hash       TEXT   NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX api_tokens_by_name ON api_tokens (namespace, name);

-- Sessions of people. The key is the SHA-256 of what their browser holds.
CREATE TABLE sessions (
    hash       TEXT   NOT NULL PRIMARY KEY,
    doc        TEXT   NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX sessions_by_end ON sessions (expires_at);

-- Who did what. An entry is written before the request is carried out, and its status when that is known: one without
-- a status was cut off, by a crash or by its client. `namespace` is empty for what belongs to none.
CREATE TABLE audit (
    id         TEXT   NOT NULL PRIMARY KEY,
    at         BIGINT NOT NULL,
    actor      TEXT   NOT NULL,
    address    TEXT   NOT NULL,
    method     TEXT   NOT NULL,
    route      TEXT   NOT NULL,
    namespace  TEXT   NOT NULL,
    object     TEXT   NOT NULL,
    request_id TEXT   NOT NULL,
    status     BIGINT,
    detail     TEXT   NOT NULL
);
CREATE INDEX audit_by_time ON audit (at, id);
