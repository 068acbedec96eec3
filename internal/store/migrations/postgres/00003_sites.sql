-- Sites that can be set and taken out of use, and who may send to a tenant.

-- +goose Up

ALTER TABLE sites
  DROP CONSTRAINT sites_tenant_id_name_key,    -- a name is free again once its site is deleted
  ADD COLUMN ae_title   text COLLATE "C" NOT NULL DEFAULT '',  -- it receives under
  ADD COLUMN config     text   NOT NULL DEFAULT '{}',
  ADD COLUMN version    bigint NOT NULL DEFAULT 1,
  ADD COLUMN deleted_at bigint;
CREATE UNIQUE INDEX sites_by_name ON sites (tenant_id, name) WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX sites_by_title ON sites (tenant_id, ae_title) WHERE deleted_at IS NULL AND ae_title <> '';
CREATE INDEX imports_of_site ON imports (tenant_id, site_id) WHERE purged_at IS NULL AND site_id <> '';

-- Who may send by C-STORE.
CREATE TABLE callers (
  tenant_id  text COLLATE "C" NOT NULL REFERENCES tenants (id),
  id         text COLLATE "C" NOT NULL,
  name       text COLLATE "C" NOT NULL,
  calling_ae text COLLATE "C" NOT NULL,
  called_ae  text COLLATE "C" NOT NULL DEFAULT '',
  site_id    text COLLATE "C" NOT NULL DEFAULT '',
  config     text   NOT NULL,
  version    bigint NOT NULL,
  created_at bigint NOT NULL,
  deleted_at bigint,
  PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX callers_by_name ON callers (tenant_id, name) WHERE deleted_at IS NULL;
CREATE INDEX callers_by_title ON callers (calling_ae) WHERE deleted_at IS NULL;
SELECT lotse_wall('callers');

-- What callers with a quota have sent, in slots of a few minutes; only the last hour
-- is kept.
CREATE TABLE caller_usage (
  tenant_id text COLLATE "C" NOT NULL,
  caller_id text COLLATE "C" NOT NULL,
  slot      bigint NOT NULL,                   -- when it began
  objects   bigint NOT NULL,
  bytes     bigint NOT NULL,
  PRIMARY KEY (tenant_id, caller_id, slot),
  FOREIGN KEY (tenant_id, caller_id) REFERENCES callers (tenant_id, id)
);
SELECT lotse_wall('caller_usage');
