-- A play's header. `header` holds all of it; the columns beside are those it is found by, and
-- for `due`, `owner` and `revision` they are the truth.
CREATE TABLE plays (
    company BLOB NOT NULL,
    play BLOB NOT NULL,
    revision INTEGER NOT NULL,
    flow BLOB NOT NULL,
    state TEXT NOT NULL,
    due INTEGER,
    owner BLOB,
    limit_key BLOB,
    place INTEGER,
    header BLOB NOT NULL,
    PRIMARY KEY (company, play)
) WITHOUT ROWID;
CREATE INDEX plays_by_flow ON plays (company, flow, play);
CREATE INDEX plays_by_state ON plays (company, state, play) WHERE state <> 'DONE';
CREATE INDEX plays_by_due ON plays (company, due, play) WHERE due IS NOT NULL;
CREATE INDEX plays_by_owner ON plays (owner) WHERE owner IS NOT NULL;
CREATE INDEX plays_queued ON plays (company, limit_key, play) WHERE place = 1;

-- How many plays stand under a concurrency key. Follows from `plays`, kept to be read at once.
-- A key of 12 bytes is a flow's id: all its keys together.
CREATE TABLE limits (
    company BLOB NOT NULL,
    limit_key BLOB NOT NULL,
    held INTEGER NOT NULL,
    queued INTEGER NOT NULL,
    PRIMARY KEY (company, limit_key)
) WITHOUT ROWID;

-- Records, in the order of their commits (`feed`).
CREATE TABLE chunks (
    feed INTEGER PRIMARY KEY,
    company BLOB NOT NULL,
    play BLOB NOT NULL,
    first INTEGER NOT NULL,
    count INTEGER NOT NULL,
    bytes BLOB NOT NULL
);
CREATE UNIQUE INDEX chunks_by_play ON chunks (company, play, first);

CREATE TABLE snapshots (
    id INTEGER PRIMARY KEY,
    company BLOB NOT NULL,
    play BLOB NOT NULL,
    records INTEGER NOT NULL,
    bytes BLOB NOT NULL
);
CREATE UNIQUE INDEX snapshots_by_play ON snapshots (company, play);

-- Large values of plays, compressed, each once by its digest.
CREATE TABLE play_values (
    id INTEGER PRIMARY KEY,
    company BLOB NOT NULL,
    play BLOB NOT NULL,
    digest BLOB NOT NULL,
    bytes BLOB NOT NULL
);
CREATE UNIQUE INDEX play_values_by_digest ON play_values (company, play, digest);

CREATE TABLE messages (
    company BLOB NOT NULL,
    play BLOB NOT NULL,
    id BLOB NOT NULL,
    at INTEGER NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (company, play, id)
) WITHOUT ROWID;

CREATE TABLE waits (
    company BLOB NOT NULL,
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    play BLOB NOT NULL,
    layer BLOB NOT NULL,
    since INTEGER NOT NULL,
    PRIMARY KEY (company, kind, key, play, layer)
) WITHOUT ROWID;
CREATE INDEX waits_by_play ON waits (company, play);
CREATE INDEX waits_by_since ON waits (company, kind, since, play, layer);

CREATE TABLE docs (
    company BLOB NOT NULL,
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    revision INTEGER NOT NULL,
    body BLOB NOT NULL,
    expires INTEGER,
    PRIMARY KEY (company, kind, id)
) WITHOUT ROWID;
CREATE INDEX docs_by_expiry ON docs (expires) WHERE expires IS NOT NULL;

-- Second keys of documents. `scope` is a company, or all zeros where the key holds for all.
CREATE TABLE doc_keys (
    scope BLOB NOT NULL,
    kind TEXT NOT NULL,
    text TEXT NOT NULL,
    company BLOB NOT NULL,
    id TEXT NOT NULL,
    PRIMARY KEY (scope, kind, text)
) WITHOUT ROWID;
CREATE INDEX doc_keys_by_doc ON doc_keys (company, kind, id);

CREATE TABLE audit (
    company BLOB NOT NULL,
    number INTEGER NOT NULL,
    action TEXT NOT NULL,
    entity TEXT NOT NULL,
    entity_id TEXT NOT NULL,
    row BLOB NOT NULL,
    PRIMARY KEY (company, number)
) WITHOUT ROWID;

-- Numbers that only rise, kept where the rows they number may be removed.
CREATE TABLE counters (
    name TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) WITHOUT ROWID;
