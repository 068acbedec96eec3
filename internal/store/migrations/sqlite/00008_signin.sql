-- Ways to get in beside a password: identity providers, and which proofs were
-- used. Columns of type BLOB are sealed under the tenant's key.

-- +goose Up

CREATE TABLE providers (
  tenant_id  TEXT NOT NULL REFERENCES tenants (id),
  id         TEXT NOT NULL,
  name       TEXT NOT NULL,                    -- what people read at the login
  config     BLOB NOT NULL,                    -- issuer, client, secret, what groups become
  version    INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  PRIMARY KEY (tenant_id, id),
  UNIQUE (tenant_id, name)
) STRICT;

-- Proofs that were used, by the digest of what they answered: none is good twice.
CREATE TABLE spent (
  tenant_id  TEXT NOT NULL REFERENCES tenants (id),
  id         TEXT NOT NULL,
  expires_at INTEGER NOT NULL,                 -- it is good for nothing anyway then
  PRIMARY KEY (tenant_id, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX spent_by_end ON spent (tenant_id, expires_at);
