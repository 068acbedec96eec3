-- The audit trail: what is personal in it, its chain, and what reads it.

-- +goose Up

ALTER TABLE audit_events ADD COLUMN session  text COLLATE "C" NOT NULL DEFAULT '';  -- of the person
ALTER TABLE audit_events ADD COLUMN period   text COLLATE "C" NOT NULL DEFAULT '';  -- whose key sealed what is personal
ALTER TABLE audit_events ADD COLUMN personal bytea;                      -- sealed; NULL: nothing is
CREATE INDEX audit_events_by_time ON audit_events (tenant_id, at, id);

-- Events that have no link yet.
CREATE TABLE audit_pending (
  tenant_id text COLLATE "C" NOT NULL,
  event_id  text COLLATE "C" NOT NULL,
  PRIMARY KEY (tenant_id, event_id),
  FOREIGN KEY (tenant_id, event_id) REFERENCES audit_events (tenant_id, id)
);
SELECT lotse_wall('audit_pending');
INSERT INTO audit_pending (tenant_id, event_id) SELECT tenant_id, id FROM audit_events;

-- The chain: seq begins with 1 and has no gaps. hash is SHA-256 in hex over the
-- event, the link and the hash before.
CREATE TABLE audit_links (
  tenant_id text COLLATE "C" NOT NULL,
  seq       bigint NOT NULL,
  event_id  text COLLATE "C" NOT NULL,
  linked_at bigint NOT NULL,
  hash      text COLLATE "C" NOT NULL,
  PRIMARY KEY (tenant_id, seq),
  UNIQUE (tenant_id, event_id),
  FOREIGN KEY (tenant_id, event_id) REFERENCES audit_events (tenant_id, id)
);
SELECT lotse_wall('audit_links');

-- Links that were signed.
CREATE TABLE audit_heads (
  tenant_id text COLLATE "C" NOT NULL,
  seq       bigint NOT NULL,
  hash      text COLLATE "C" NOT NULL,
  signed_at bigint NOT NULL,
  public    text COLLATE "C" NOT NULL,                  -- Ed25519, base64
  signature text COLLATE "C" NOT NULL,                  -- base64
  PRIMARY KEY (tenant_id, seq),
  FOREIGN KEY (tenant_id, seq) REFERENCES audit_links (tenant_id, seq)
);
SELECT lotse_wall('audit_heads');

CREATE TRIGGER audit_links_stay BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_links
  FOR EACH STATEMENT EXECUTE FUNCTION lotse_refuse();
CREATE TRIGGER audit_heads_stay BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_heads
  FOR EACH STATEMENT EXECUTE FUNCTION lotse_refuse();

-- What has been seen, so that seeing it again makes no event. key is a MAC.
CREATE TABLE audit_views (
  tenant_id text COLLATE "C" NOT NULL REFERENCES tenants (id),
  key       text COLLATE "C" NOT NULL,
  at        bigint NOT NULL,
  PRIMARY KEY (tenant_id, key)
);
SELECT lotse_wall('audit_views');
CREATE INDEX audit_views_by_time ON audit_views (at);

-- How far along the chain a receiver has been told.
CREATE TABLE audit_cursors (
  tenant_id text COLLATE "C" NOT NULL REFERENCES tenants (id),
  receiver  text COLLATE "C" NOT NULL,
  seq       bigint NOT NULL,
  PRIMARY KEY (tenant_id, receiver)
);
SELECT lotse_wall('audit_cursors');

-- Work that one node does at a time, without a job of its own. token grows with
-- each new holder.
CREATE TABLE leases (
  tenant_id text COLLATE "C" NOT NULL REFERENCES tenants (id),
  name      text COLLATE "C" NOT NULL,
  node      text COLLATE "C" NOT NULL,
  token     bigint NOT NULL,
  until     bigint NOT NULL,
  PRIMARY KEY (tenant_id, name)
);
SELECT lotse_wall('leases');

-- What is charged for: a row for each import, which outlives it.
CREATE TABLE usage_imports (
  tenant_id  text COLLATE "C" NOT NULL REFERENCES tenants (id),
  import_id  text COLLATE "C" NOT NULL,
  month      text COLLATE "C" NOT NULL,                 -- as in 2026-12, of its creation
  site_id    text COLLATE "C" NOT NULL DEFAULT '',
  instances  bigint NOT NULL DEFAULT 0,
  bytes      bigint NOT NULL DEFAULT 0,
  PRIMARY KEY (tenant_id, import_id)
);
SELECT lotse_wall('usage_imports');
CREATE INDEX usage_imports_by_month ON usage_imports (tenant_id, month);
INSERT INTO usage_imports (tenant_id, import_id, month, site_id, instances, bytes)
  SELECT tenant_id, id, to_char(to_timestamp(created_at / 1000000) AT TIME ZONE 'UTC', 'YYYY-MM'), site_id, instances, bytes FROM imports;
