-- Ways to get in beside a password: identity providers, and which proofs were
-- used. Columns of type bytea are sealed under the tenant's key.

-- +goose Up

CREATE TABLE providers (
  tenant_id  text COLLATE "C" NOT NULL REFERENCES tenants (id),
  id         text COLLATE "C" NOT NULL,
  name       text COLLATE "C" NOT NULL,        -- what people read at the login
  config     bytea  NOT NULL,                  -- issuer, client, secret, what groups become
  version    bigint NOT NULL,
  created_at bigint NOT NULL,
  PRIMARY KEY (tenant_id, id),
  UNIQUE (tenant_id, name)
);
SELECT lotse_wall('providers');

-- Proofs that were used, by the digest of what they answered: none is good twice.
CREATE TABLE spent (
  tenant_id  text COLLATE "C" NOT NULL REFERENCES tenants (id),
  id         text COLLATE "C" NOT NULL,
  expires_at bigint NOT NULL,                  -- it is good for nothing anyway then
  PRIMARY KEY (tenant_id, id)
);
CREATE INDEX spent_by_end ON spent (tenant_id, expires_at);
SELECT lotse_wall('spent');
