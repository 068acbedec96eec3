-- Hosts of portals that people confirmed, and on what ground an import is processed.

-- +goose Up

-- Where answers about patients may be sent.
CREATE TABLE portals (
  tenant_id    text COLLATE "C" NOT NULL REFERENCES tenants (id),
  host         text COLLATE "C" NOT NULL,     -- host[:port], punycode
  confirmed_by text NOT NULL,                 -- an id, never a name
  confirmed_at bigint NOT NULL,
  PRIMARY KEY (tenant_id, host)
);
SELECT lotse_wall('portals');

ALTER TABLE imports ADD COLUMN legal_basis text COLLATE "C" NOT NULL DEFAULT '';
