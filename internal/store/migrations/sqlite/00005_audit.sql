-- The audit trail: what is personal in it, its chain, and what reads it.

-- +goose Up

ALTER TABLE audit_events ADD COLUMN session  TEXT NOT NULL DEFAULT '';  -- of the person
ALTER TABLE audit_events ADD COLUMN period   TEXT NOT NULL DEFAULT '';  -- whose key sealed what is personal
ALTER TABLE audit_events ADD COLUMN personal BLOB;                      -- sealed; NULL: nothing is
CREATE INDEX audit_events_by_time ON audit_events (tenant_id, at, id);

-- Events that have no link yet.
CREATE TABLE audit_pending (
  tenant_id TEXT NOT NULL,
  event_id  TEXT NOT NULL,
  PRIMARY KEY (tenant_id, event_id),
  FOREIGN KEY (tenant_id, event_id) REFERENCES audit_events (tenant_id, id)
) STRICT, WITHOUT ROWID;
INSERT INTO audit_pending (tenant_id, event_id) SELECT tenant_id, id FROM audit_events;

-- The chain: seq begins with 1 and has no gaps. hash is SHA-256 in hex over the
-- event, the link and the hash before.
CREATE TABLE audit_links (
  tenant_id TEXT    NOT NULL,
  seq       INTEGER NOT NULL,
  event_id  TEXT    NOT NULL,
  linked_at INTEGER NOT NULL,
  hash      TEXT    NOT NULL,
  PRIMARY KEY (tenant_id, seq),
  UNIQUE (tenant_id, event_id),
  FOREIGN KEY (tenant_id, event_id) REFERENCES audit_events (tenant_id, id)
) STRICT, WITHOUT ROWID;

-- Links that were signed.
CREATE TABLE audit_heads (
  tenant_id TEXT    NOT NULL,
  seq       INTEGER NOT NULL,
  hash      TEXT    NOT NULL,
  signed_at INTEGER NOT NULL,
  public    TEXT    NOT NULL,                  -- Ed25519, base64
  signature TEXT    NOT NULL,                  -- base64
  PRIMARY KEY (tenant_id, seq),
  FOREIGN KEY (tenant_id, seq) REFERENCES audit_links (tenant_id, seq)
) STRICT, WITHOUT ROWID;

-- +goose StatementBegin
CREATE TRIGGER audit_links_unchanged BEFORE UPDATE ON audit_links
BEGIN
  SELECT RAISE(ABORT, 'rows of audit_links are added only');
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER audit_links_undeleted BEFORE DELETE ON audit_links
BEGIN
  SELECT RAISE(ABORT, 'rows of audit_links are added only');
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER audit_heads_unchanged BEFORE UPDATE ON audit_heads
BEGIN
  SELECT RAISE(ABORT, 'rows of audit_heads are added only');
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER audit_heads_undeleted BEFORE DELETE ON audit_heads
BEGIN
  SELECT RAISE(ABORT, 'rows of audit_heads are added only');
END;
-- +goose StatementEnd

-- What has been seen, so that seeing it again makes no event. key is a MAC.
CREATE TABLE audit_views (
  tenant_id TEXT    NOT NULL REFERENCES tenants (id),
  key       TEXT    NOT NULL,
  at        INTEGER NOT NULL,
  PRIMARY KEY (tenant_id, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX audit_views_by_time ON audit_views (at);

-- How far along the chain a receiver has been told.
CREATE TABLE audit_cursors (
  tenant_id TEXT    NOT NULL REFERENCES tenants (id),
  receiver  TEXT    NOT NULL,
  seq       INTEGER NOT NULL,
  PRIMARY KEY (tenant_id, receiver)
) STRICT, WITHOUT ROWID;

-- Work that one node does at a time, without a job of its own. token grows with
-- each new holder.
CREATE TABLE leases (
  tenant_id TEXT    NOT NULL REFERENCES tenants (id),
  name      TEXT    NOT NULL,
  node      TEXT    NOT NULL,
  token     INTEGER NOT NULL,
  until     INTEGER NOT NULL,
  PRIMARY KEY (tenant_id, name)
) STRICT, WITHOUT ROWID;

-- What is charged for: a row for each import, which outlives it.
CREATE TABLE usage_imports (
  tenant_id  TEXT    NOT NULL REFERENCES tenants (id),
  import_id  TEXT    NOT NULL,
  month      TEXT    NOT NULL,                 -- as in 2026-12, of its creation
  site_id    TEXT    NOT NULL DEFAULT '',
  instances  INTEGER NOT NULL DEFAULT 0,
  bytes      INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (tenant_id, import_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX usage_imports_by_month ON usage_imports (tenant_id, month);
INSERT INTO usage_imports (tenant_id, import_id, month, site_id, instances, bytes)
  SELECT tenant_id, id, strftime('%Y-%m', created_at / 1000000, 'unixepoch'), site_id, instances, bytes FROM imports;
