-- The rows of imports: what came in, where it stands, what was decided, what was
-- delivered. Columns of type BLOB are sealed under the import's key.

-- +goose Up

CREATE TABLE imports (
  tenant_id     TEXT NOT NULL REFERENCES tenants (id),
  id            TEXT NOT NULL,
  site_id       TEXT NOT NULL DEFAULT '',
  kind          TEXT NOT NULL,                 -- link, upload, dicom
  state         TEXT NOT NULL,
  version       INTEGER NOT NULL,              -- grows with every change but that of the counters
  priority      INTEGER NOT NULL DEFAULT 0,
  created_by    TEXT NOT NULL,
  created_at    INTEGER NOT NULL,
  first_byte_at INTEGER,                       -- of the first durable byte
  expires_at    INTEGER NOT NULL,              -- the latest end there is
  purge_at      INTEGER NOT NULL CHECK (purge_at <= expires_at),
  ended_at      INTEGER,
  purged_at     INTEGER,
  warned        INTEGER NOT NULL DEFAULT 0,    -- 1: 72 h before the end, 2: 24 h
  problem       TEXT NOT NULL DEFAULT '',    -- code
  problem_host  TEXT NOT NULL DEFAULT '',
  retry_at      INTEGER,                       -- when it goes on by itself
  intake_key    TEXT,                          -- received objects: HMAC of caller and study
  quiet_at      INTEGER,                       -- received objects: closes then; NULL once closed
  parts         INTEGER NOT NULL DEFAULT 0,    -- counters of what came in, durably
  bytes         INTEGER NOT NULL DEFAULT 0,
  files         INTEGER NOT NULL DEFAULT 0,
  instances     INTEGER NOT NULL DEFAULT 0,
  request       BLOB,
  secrets       BLOB,
  question      BLOB,
  fetched       BLOB,                          -- the state of the fetch
  decision      BLOB,
  PRIMARY KEY (tenant_id, id),
  CONSTRAINT purged_is_empty CHECK (purged_at IS NULL OR (request IS NULL AND secrets IS NULL AND question IS NULL
    AND fetched IS NULL AND decision IS NULL AND intake_key IS NULL))
) STRICT;
CREATE INDEX imports_by_time ON imports (tenant_id, created_at DESC, id DESC);
CREATE INDEX imports_by_state ON imports (tenant_id, state, created_at DESC, id DESC);
CREATE INDEX imports_to_purge ON imports (purge_at) WHERE purged_at IS NULL;
CREATE INDEX imports_to_end ON imports (expires_at) WHERE purged_at IS NULL;
CREATE INDEX imports_to_close ON imports (quiet_at) WHERE quiet_at IS NOT NULL;
CREATE UNIQUE INDEX imports_open ON imports (tenant_id, intake_key) WHERE quiet_at IS NOT NULL;

-- One byte stream that came in, or that a stage made (role derived).
CREATE TABLE parts (
  tenant_id  TEXT NOT NULL,
  import_id  TEXT NOT NULL,
  number     INTEGER NOT NULL,
  role       TEXT NOT NULL CHECK (role IN ('came', 'derived')),
  key        TEXT NOT NULL,                    -- says within the import which part it is
  size       INTEGER NOT NULL DEFAULT 0,       -- committed
  declared   INTEGER NOT NULL DEFAULT -1,
  complete   INTEGER NOT NULL DEFAULT 0,
  about      BLOB,                             -- name, version, digest …
  created_at INTEGER NOT NULL,
  PRIMARY KEY (tenant_id, import_id, number),
  UNIQUE (tenant_id, import_id, key),
  FOREIGN KEY (tenant_id, import_id) REFERENCES imports (tenant_id, id)
) STRICT;

CREATE TABLE segments (
  tenant_id TEXT NOT NULL,
  import_id TEXT NOT NULL,
  part      INTEGER NOT NULL,
  start     INTEGER NOT NULL,                  -- offset in the part
  size      INTEGER NOT NULL CHECK (size > 0),
  id        TEXT NOT NULL,                     -- of the blob
  PRIMARY KEY (tenant_id, import_id, part, start),
  UNIQUE (tenant_id, import_id, id),
  FOREIGN KEY (tenant_id, import_id, part) REFERENCES parts (tenant_id, import_id, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE uploads (
  tenant_id    TEXT NOT NULL,
  id           TEXT NOT NULL,
  import_id    TEXT NOT NULL,
  part         INTEGER NOT NULL,
  length       INTEGER NOT NULL,
  lease        INTEGER NOT NULL DEFAULT 0,     -- grows with every writer
  leased_until INTEGER NOT NULL DEFAULT 0,
  created_at   INTEGER NOT NULL,
  PRIMARY KEY (tenant_id, id),
  UNIQUE (tenant_id, import_id, part),
  FOREIGN KEY (tenant_id, import_id, part) REFERENCES parts (tenant_id, import_id, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE destinations (
  tenant_id  TEXT NOT NULL REFERENCES tenants (id),
  id         TEXT NOT NULL,
  name       TEXT NOT NULL,
  config     TEXT NOT NULL,
  version    INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  deleted_at INTEGER,
  PRIMARY KEY (tenant_id, id)
) STRICT;
CREATE UNIQUE INDEX destinations_by_name ON destinations (tenant_id, name) WHERE deleted_at IS NULL;

CREATE TABLE deliveries (
  tenant_id      TEXT NOT NULL,
  id             TEXT NOT NULL,
  import_id      TEXT NOT NULL,
  destination_id TEXT NOT NULL,
  config         TEXT NOT NULL,              -- of the destination when it was decided
  state          TEXT NOT NULL,
  version        INTEGER NOT NULL,
  starts         INTEGER NOT NULL DEFAULT 0,   -- how often sending began
  objects        INTEGER NOT NULL DEFAULT -1,  -- to be sent, -1 before it is known
  delivered      INTEGER NOT NULL DEFAULT 0,
  warned         INTEGER NOT NULL DEFAULT 0,
  failed         INTEGER NOT NULL DEFAULT 0,
  bytes          INTEGER NOT NULL DEFAULT 0,
  problem        TEXT NOT NULL DEFAULT '',
  retry_at       INTEGER,
  proof          TEXT NOT NULL DEFAULT '',   -- statuses, commitment: what confirmed it
  created_at     INTEGER NOT NULL,
  settled_at     INTEGER,
  PRIMARY KEY (tenant_id, id),
  FOREIGN KEY (tenant_id, import_id) REFERENCES imports (tenant_id, id),
  FOREIGN KEY (tenant_id, destination_id) REFERENCES destinations (tenant_id, id)
) STRICT;
CREATE INDEX deliveries_of_import ON deliveries (tenant_id, import_id);

-- What became of one item at one destination: a line of the receipt.
CREATE TABLE outcomes (
  tenant_id   TEXT NOT NULL,
  delivery_id TEXT NOT NULL,
  item        INTEGER NOT NULL,
  fate        TEXT NOT NULL,
  sent        INTEGER NOT NULL,
  line        BLOB,
  PRIMARY KEY (tenant_id, delivery_id, item),
  FOREIGN KEY (tenant_id, delivery_id) REFERENCES deliveries (tenant_id, id)
) STRICT;

CREATE TABLE commitments (
  tenant_id   TEXT NOT NULL,
  uid         TEXT NOT NULL,                   -- transaction UID
  import_id   TEXT NOT NULL,
  delivery_id TEXT NOT NULL,
  first_item  INTEGER NOT NULL,                -- the items it asks about, by position in the receipt's order
  state       TEXT NOT NULL CHECK (state IN ('open', 'committed', 'failed', 'expired')),
  opened_at   INTEGER NOT NULL,
  answered_at INTEGER,
  report      BLOB,
  PRIMARY KEY (tenant_id, uid),
  FOREIGN KEY (tenant_id, import_id) REFERENCES imports (tenant_id, id),
  FOREIGN KEY (tenant_id, delivery_id) REFERENCES deliveries (tenant_id, id)
) STRICT;
CREATE UNIQUE INDEX commitments_by_uid ON commitments (uid);
CREATE INDEX commitments_of_delivery ON commitments (tenant_id, delivery_id);
CREATE INDEX commitments_of_import ON commitments (tenant_id, import_id);

CREATE TABLE receipts (
  tenant_id   TEXT NOT NULL,
  delivery_id TEXT NOT NULL,
  import_id   TEXT NOT NULL,
  created_at  INTEGER NOT NULL,
  document    TEXT NOT NULL,                 -- without personal data; verifies by itself
  PRIMARY KEY (tenant_id, delivery_id),
  FOREIGN KEY (tenant_id, import_id) REFERENCES imports (tenant_id, id),
  FOREIGN KEY (tenant_id, delivery_id) REFERENCES deliveries (tenant_id, id)
) STRICT;

-- The audit trail: codes, states and numbers, nothing personal. Rows are added,
-- never changed, not even by the product itself.
CREATE TABLE audit_events (
  tenant_id TEXT NOT NULL REFERENCES tenants (id),
  id        TEXT NOT NULL,
  at        INTEGER NOT NULL,
  import_id TEXT NOT NULL DEFAULT '',
  actor     TEXT NOT NULL,
  event     TEXT NOT NULL,
  detail    TEXT NOT NULL DEFAULT '{}',
  PRIMARY KEY (tenant_id, id)
) STRICT;
CREATE INDEX audit_events_of_import ON audit_events (tenant_id, import_id, at);

-- +goose StatementBegin
CREATE TRIGGER audit_events_unchanged BEFORE UPDATE ON audit_events
BEGIN
  SELECT RAISE(ABORT, 'rows of audit_events are added only');
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER audit_events_undeleted BEFORE DELETE ON audit_events
BEGIN
  SELECT RAISE(ABORT, 'rows of audit_events are added only');
END;
-- +goose StatementEnd

CREATE TABLE tokens (
  tenant_id  TEXT NOT NULL REFERENCES tenants (id),
  id         TEXT NOT NULL,
  hash       TEXT NOT NULL,                    -- SHA-256 of the token
  name       TEXT NOT NULL,
  role       TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER,
  revoked_at INTEGER,
  PRIMARY KEY (tenant_id, id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX tokens_by_hash ON tokens (hash);

CREATE TABLE settings (
  tenant_id TEXT NOT NULL REFERENCES tenants (id),
  name      TEXT NOT NULL,
  value     TEXT NOT NULL,
  PRIMARY KEY (tenant_id, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE signing_keys (
  tenant_id  TEXT NOT NULL REFERENCES tenants (id),
  id         TEXT NOT NULL,
  public     TEXT NOT NULL,                  -- Ed25519, base64
  created_at INTEGER NOT NULL,
  PRIMARY KEY (tenant_id, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE idempotency (
  tenant_id  TEXT NOT NULL REFERENCES tenants (id),
  key        TEXT NOT NULL,
  route      TEXT NOT NULL,
  hash       TEXT NOT NULL,                    -- of the request's body, keyed
  status     INTEGER NOT NULL DEFAULT 0,       -- 0: still running
  headers    BLOB,                             -- this and the body as they were answered, not sealed
  body       BLOB,
  created_at INTEGER NOT NULL,
  PRIMARY KEY (tenant_id, key)
) STRICT;
CREATE INDEX idempotency_by_time ON idempotency (created_at);

-- What the whole installation remembers; nothing of a tenant.
CREATE TABLE installation (
  tenant_id TEXT NOT NULL CHECK (tenant_id = '*'),
  name      TEXT NOT NULL,
  value     TEXT NOT NULL,
  PRIMARY KEY (tenant_id, name)
) STRICT, WITHOUT ROWID;
