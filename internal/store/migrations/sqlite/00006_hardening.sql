-- Hosts of portals that people confirmed, and on what ground an import is processed.

-- +goose Up

-- Where answers about patients may be sent.
CREATE TABLE portals (
  tenant_id    TEXT    NOT NULL REFERENCES tenants (id),
  host         TEXT    NOT NULL,              -- host[:port], punycode
  confirmed_by TEXT    NOT NULL,              -- an id, never a name
  confirmed_at INTEGER NOT NULL,
  PRIMARY KEY (tenant_id, host)
) STRICT, WITHOUT ROWID;

ALTER TABLE imports ADD COLUMN legal_basis TEXT NOT NULL DEFAULT '';
