-- Sites that can be set and taken out of use, and who may send to a tenant.

-- +goose Up

-- A name is free again once its site is deleted: SQLite drops a constraint only with
-- its table.
CREATE TABLE sites_anew (
  tenant_id  TEXT    NOT NULL REFERENCES tenants (id),
  id         TEXT    NOT NULL,
  name       TEXT    NOT NULL,
  created_at INTEGER NOT NULL,
  ae_title   TEXT    NOT NULL DEFAULT '',      -- it receives under
  config     TEXT    NOT NULL DEFAULT '{}',
  version    INTEGER NOT NULL DEFAULT 1,
  deleted_at INTEGER,
  PRIMARY KEY (tenant_id, id)
) STRICT, WITHOUT ROWID;
INSERT INTO sites_anew (tenant_id, id, name, created_at) SELECT tenant_id, id, name, created_at FROM sites;
DROP TABLE sites;
ALTER TABLE sites_anew RENAME TO sites;
CREATE UNIQUE INDEX sites_by_name ON sites (tenant_id, name) WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX sites_by_title ON sites (tenant_id, ae_title) WHERE deleted_at IS NULL AND ae_title <> '';
CREATE INDEX imports_of_site ON imports (tenant_id, site_id) WHERE purged_at IS NULL AND site_id <> '';

-- Who may send by C-STORE.
CREATE TABLE callers (
  tenant_id  TEXT    NOT NULL REFERENCES tenants (id),
  id         TEXT    NOT NULL,
  name       TEXT    NOT NULL,
  calling_ae TEXT    NOT NULL,
  called_ae  TEXT    NOT NULL DEFAULT '',
  site_id    TEXT    NOT NULL DEFAULT '',
  config     TEXT    NOT NULL,
  version    INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  deleted_at INTEGER,
  PRIMARY KEY (tenant_id, id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX callers_by_name ON callers (tenant_id, name) WHERE deleted_at IS NULL;
CREATE INDEX callers_by_title ON callers (calling_ae) WHERE deleted_at IS NULL;

-- What callers with a quota have sent, in slots of a few minutes; only the last hour
-- is kept.
CREATE TABLE caller_usage (
  tenant_id TEXT    NOT NULL,
  caller_id TEXT    NOT NULL,
  slot      INTEGER NOT NULL,                  -- when it began
  objects   INTEGER NOT NULL,
  bytes     INTEGER NOT NULL,
  PRIMARY KEY (tenant_id, caller_id, slot),
  FOREIGN KEY (tenant_id, caller_id) REFERENCES callers (tenant_id, id)
) STRICT, WITHOUT ROWID;
