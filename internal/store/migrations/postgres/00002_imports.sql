-- The rows of imports: what came in, where it stands, what was decided, what was
-- delivered. Columns of type bytea are sealed under the import's key.

-- +goose Up

CREATE TABLE imports (
  tenant_id     text COLLATE "C" NOT NULL REFERENCES tenants (id),
  id            text COLLATE "C" NOT NULL,
  site_id       text COLLATE "C" NOT NULL DEFAULT '',
  kind          text COLLATE "C" NOT NULL,     -- link, upload, dicom
  state         text COLLATE "C" NOT NULL,
  version       bigint NOT NULL,               -- grows with every change but that of the counters
  priority      bigint NOT NULL DEFAULT 0,
  created_by    text NOT NULL,
  created_at    bigint NOT NULL,
  first_byte_at bigint,                        -- of the first durable byte
  expires_at    bigint NOT NULL,               -- the latest end there is
  purge_at      bigint NOT NULL CHECK (purge_at <= expires_at),
  ended_at      bigint,
  purged_at     bigint,
  warned        bigint NOT NULL DEFAULT 0,     -- 1: 72 h before the end, 2: 24 h
  problem       text NOT NULL DEFAULT '',    -- code
  problem_host  text NOT NULL DEFAULT '',
  retry_at      bigint,                        -- when it goes on by itself
  intake_key    text COLLATE "C",              -- received objects: HMAC of caller and study
  quiet_at      bigint,                        -- received objects: closes then; NULL once closed
  parts         bigint NOT NULL DEFAULT 0,     -- counters of what came in, durably
  bytes         bigint NOT NULL DEFAULT 0,
  files         bigint NOT NULL DEFAULT 0,
  instances     bigint NOT NULL DEFAULT 0,
  request       bytea,
  secrets       bytea,
  question      bytea,
  fetched       bytea,                         -- the state of the fetch
  decision      bytea,
  PRIMARY KEY (tenant_id, id),
  CONSTRAINT purged_is_empty CHECK (purged_at IS NULL OR (request IS NULL AND secrets IS NULL AND question IS NULL
    AND fetched IS NULL AND decision IS NULL AND intake_key IS NULL))
);
CREATE INDEX imports_by_time ON imports (tenant_id, created_at DESC, id DESC);
CREATE INDEX imports_by_state ON imports (tenant_id, state, created_at DESC, id DESC);
CREATE INDEX imports_to_purge ON imports (purge_at) WHERE purged_at IS NULL;
CREATE INDEX imports_to_end ON imports (expires_at) WHERE purged_at IS NULL;
CREATE INDEX imports_to_close ON imports (quiet_at) WHERE quiet_at IS NOT NULL;
CREATE UNIQUE INDEX imports_open ON imports (tenant_id, intake_key) WHERE quiet_at IS NOT NULL;
SELECT lotse_wall('imports');

-- One byte stream that came in, or that a stage made (role derived).
CREATE TABLE parts (
  tenant_id  text COLLATE "C" NOT NULL,
  import_id  text COLLATE "C" NOT NULL,
  number     bigint NOT NULL,
  role       text COLLATE "C" NOT NULL CHECK (role IN ('came', 'derived')),
  key        text COLLATE "C" NOT NULL,        -- says within the import which part it is
  size       bigint NOT NULL DEFAULT 0,        -- committed
  declared   bigint NOT NULL DEFAULT -1,
  complete   integer NOT NULL DEFAULT 0,
  about      bytea,                            -- name, version, digest …
  created_at bigint NOT NULL,
  PRIMARY KEY (tenant_id, import_id, number),
  UNIQUE (tenant_id, import_id, key),
  FOREIGN KEY (tenant_id, import_id) REFERENCES imports (tenant_id, id)
);
SELECT lotse_wall('parts');

CREATE TABLE segments (
  tenant_id text COLLATE "C" NOT NULL,
  import_id text COLLATE "C" NOT NULL,
  part      bigint NOT NULL,
  start     bigint NOT NULL,                   -- offset in the part
  size      bigint NOT NULL CHECK (size > 0),
  id        text COLLATE "C" NOT NULL,         -- of the blob
  PRIMARY KEY (tenant_id, import_id, part, start),
  UNIQUE (tenant_id, import_id, id),
  FOREIGN KEY (tenant_id, import_id, part) REFERENCES parts (tenant_id, import_id, number)
);
SELECT lotse_wall('segments');

CREATE TABLE uploads (
  tenant_id    text COLLATE "C" NOT NULL,
  id           text COLLATE "C" NOT NULL,
  import_id    text COLLATE "C" NOT NULL,
  part         bigint NOT NULL,
  length       bigint NOT NULL,
  lease        bigint NOT NULL DEFAULT 0,      -- grows with every writer
  leased_until bigint NOT NULL DEFAULT 0,
  created_at   bigint NOT NULL,
  PRIMARY KEY (tenant_id, id),
  UNIQUE (tenant_id, import_id, part),
  FOREIGN KEY (tenant_id, import_id, part) REFERENCES parts (tenant_id, import_id, number)
);
SELECT lotse_wall('uploads');

CREATE TABLE destinations (
  tenant_id  text COLLATE "C" NOT NULL REFERENCES tenants (id),
  id         text COLLATE "C" NOT NULL,
  name       text COLLATE "C" NOT NULL,
  config     text NOT NULL,
  version    bigint NOT NULL,
  created_at bigint NOT NULL,
  deleted_at bigint,
  PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX destinations_by_name ON destinations (tenant_id, name) WHERE deleted_at IS NULL;
SELECT lotse_wall('destinations');

CREATE TABLE deliveries (
  tenant_id      text COLLATE "C" NOT NULL,
  id             text COLLATE "C" NOT NULL,
  import_id      text COLLATE "C" NOT NULL,
  destination_id text COLLATE "C" NOT NULL,
  config         text NOT NULL,              -- of the destination when it was decided
  state          text COLLATE "C" NOT NULL,
  version        bigint NOT NULL,
  starts         bigint NOT NULL DEFAULT 0,    -- how often sending began
  objects        bigint NOT NULL DEFAULT -1,   -- to be sent, -1 before it is known
  delivered      bigint NOT NULL DEFAULT 0,
  warned         bigint NOT NULL DEFAULT 0,
  failed         bigint NOT NULL DEFAULT 0,
  bytes          bigint NOT NULL DEFAULT 0,
  problem        text NOT NULL DEFAULT '',
  retry_at       bigint,
  proof          text NOT NULL DEFAULT '',   -- statuses, commitment: what confirmed it
  created_at     bigint NOT NULL,
  settled_at     bigint,
  PRIMARY KEY (tenant_id, id),
  FOREIGN KEY (tenant_id, import_id) REFERENCES imports (tenant_id, id),
  FOREIGN KEY (tenant_id, destination_id) REFERENCES destinations (tenant_id, id)
);
CREATE INDEX deliveries_of_import ON deliveries (tenant_id, import_id);
SELECT lotse_wall('deliveries');

-- What became of one item at one destination: a line of the receipt.
CREATE TABLE outcomes (
  tenant_id   text COLLATE "C" NOT NULL,
  delivery_id text COLLATE "C" NOT NULL,
  item        bigint NOT NULL,
  fate        text COLLATE "C" NOT NULL,
  sent        bigint NOT NULL,
  line        bytea,
  PRIMARY KEY (tenant_id, delivery_id, item),
  FOREIGN KEY (tenant_id, delivery_id) REFERENCES deliveries (tenant_id, id)
);
SELECT lotse_wall('outcomes');

CREATE TABLE commitments (
  tenant_id   text COLLATE "C" NOT NULL,
  uid         text COLLATE "C" NOT NULL,       -- transaction UID
  import_id   text COLLATE "C" NOT NULL,
  delivery_id text COLLATE "C" NOT NULL,
  first_item  bigint NOT NULL,                 -- the items it asks about, by position in the receipt's order
  state       text COLLATE "C" NOT NULL CHECK (state IN ('open', 'committed', 'failed', 'expired')),
  opened_at   bigint NOT NULL,
  answered_at bigint,
  report      bytea,
  PRIMARY KEY (tenant_id, uid),
  FOREIGN KEY (tenant_id, import_id) REFERENCES imports (tenant_id, id),
  FOREIGN KEY (tenant_id, delivery_id) REFERENCES deliveries (tenant_id, id)
);
CREATE UNIQUE INDEX commitments_by_uid ON commitments (uid);
CREATE INDEX commitments_of_delivery ON commitments (tenant_id, delivery_id);
CREATE INDEX commitments_of_import ON commitments (tenant_id, import_id);
SELECT lotse_wall('commitments');

CREATE TABLE receipts (
  tenant_id   text COLLATE "C" NOT NULL,
  delivery_id text COLLATE "C" NOT NULL,
  import_id   text COLLATE "C" NOT NULL,
  created_at  bigint NOT NULL,
  document    text NOT NULL,                 -- without personal data; verifies by itself
  PRIMARY KEY (tenant_id, delivery_id),
  FOREIGN KEY (tenant_id, import_id) REFERENCES imports (tenant_id, id),
  FOREIGN KEY (tenant_id, delivery_id) REFERENCES deliveries (tenant_id, id)
);
SELECT lotse_wall('receipts');

-- The audit trail: codes, states and numbers, nothing personal. Rows are added,
-- never changed, not even by the product itself.
CREATE TABLE audit_events (
  tenant_id text COLLATE "C" NOT NULL REFERENCES tenants (id),
  id        text COLLATE "C" NOT NULL,
  at        bigint NOT NULL,
  import_id text COLLATE "C" NOT NULL DEFAULT '',
  actor     text NOT NULL,
  event     text COLLATE "C" NOT NULL,
  detail    text NOT NULL DEFAULT '{}',
  PRIMARY KEY (tenant_id, id)
);
CREATE INDEX audit_events_of_import ON audit_events (tenant_id, import_id, at);
SELECT lotse_wall('audit_events');

-- +goose StatementBegin
CREATE FUNCTION lotse_refuse() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'rows of % are added only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END
$$;
-- +goose StatementEnd
CREATE TRIGGER audit_events_stay BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_events
  FOR EACH STATEMENT EXECUTE FUNCTION lotse_refuse();

CREATE TABLE tokens (
  tenant_id  text COLLATE "C" NOT NULL REFERENCES tenants (id),
  id         text COLLATE "C" NOT NULL,
  hash       text COLLATE "C" NOT NULL,        -- SHA-256 of the token
  name       text NOT NULL,
  role       text COLLATE "C" NOT NULL,
  created_at bigint NOT NULL,
  expires_at bigint,
  revoked_at bigint,
  PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX tokens_by_hash ON tokens (hash);
SELECT lotse_wall('tokens');

CREATE TABLE settings (
  tenant_id text COLLATE "C" NOT NULL REFERENCES tenants (id),
  name      text COLLATE "C" NOT NULL,
  value     text NOT NULL,
  PRIMARY KEY (tenant_id, name)
);
SELECT lotse_wall('settings');

CREATE TABLE signing_keys (
  tenant_id  text COLLATE "C" NOT NULL REFERENCES tenants (id),
  id         text COLLATE "C" NOT NULL,
  public     text NOT NULL,                  -- Ed25519, base64
  created_at bigint NOT NULL,
  PRIMARY KEY (tenant_id, id)
);
SELECT lotse_wall('signing_keys');

CREATE TABLE idempotency (
  tenant_id  text COLLATE "C" NOT NULL REFERENCES tenants (id),
  key        text COLLATE "C" NOT NULL,
  route      text COLLATE "C" NOT NULL,
  hash       text COLLATE "C" NOT NULL,        -- of the request's body, keyed
  status     bigint NOT NULL DEFAULT 0,        -- 0: still running
  headers    bytea,                            -- this and the body as they were answered, not sealed
  body       bytea,
  created_at bigint NOT NULL,
  PRIMARY KEY (tenant_id, key)
);
CREATE INDEX idempotency_by_time ON idempotency (created_at);
SELECT lotse_wall('idempotency');

-- What the whole installation remembers; nothing of a tenant.
CREATE TABLE installation (
  tenant_id text COLLATE "C" NOT NULL CHECK (tenant_id = '*'),
  name      text COLLATE "C" NOT NULL,
  value     text NOT NULL,
  PRIMARY KEY (tenant_id, name)
);
SELECT lotse_wall('installation');
