-- +goose Up

-- The wall between tenants: rows are seen and changed only by transactions that
-- have set lotse.tenant to the row's tenant, or to '*' for the system. FORCE holds
-- back the owner of the table as well. One line for each further table:
--   SELECT lotse_wall('imports');
-- +goose StatementBegin
CREATE FUNCTION lotse_wall(wall_table regclass, wall_column text DEFAULT 'tenant_id') RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', wall_table);
  EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', wall_table);
  EXECUTE format(
    'CREATE POLICY lotse_wall ON %1$s USING (%2$I = current_setting(''lotse.tenant'', true) OR current_setting(''lotse.tenant'', true) = ''*'')'
    ' WITH CHECK (%2$I = current_setting(''lotse.tenant'', true) OR current_setting(''lotse.tenant'', true) = ''*'')',
    wall_table, wall_column);
END
$$;
-- +goose StatementEnd

CREATE TABLE tenants (
  id           text COLLATE "C" PRIMARY KEY,
  name         text   NOT NULL,
  created_at   bigint NOT NULL,
  destroyed_at bigint
);
SELECT lotse_wall('tenants', 'id');

CREATE TABLE sites (
  tenant_id  text COLLATE "C" NOT NULL REFERENCES tenants (id),
  id         text COLLATE "C" NOT NULL,
  name       text   NOT NULL,
  created_at bigint NOT NULL,
  PRIMARY KEY (tenant_id, id),
  UNIQUE (tenant_id, name)
);
SELECT lotse_wall('sites');

-- Work to do. tenant_id is '*' for work that belongs to no tenant. rank_at is
-- run_at less a minute for each step of priority: the order of claiming, in which
-- age catches up with any priority. attempt counts the runs, at most attempts of
-- them unless that is 0. token grows with each claim; cancelling is what a person
-- has asked of a running job; code says why it failed.
CREATE TABLE jobs (
  tenant_id   text COLLATE "C" NOT NULL,
  id          text COLLATE "C" NOT NULL,
  kind        text COLLATE "C" NOT NULL,
  subject     text COLLATE "C" NOT NULL,
  unique_key  text COLLATE "C",
  state       text COLLATE "C" NOT NULL CHECK (state IN ('waiting', 'running', 'done', 'failed', 'cancelled')),
  priority    integer NOT NULL,
  run_at      bigint  NOT NULL,
  rank_at     bigint  NOT NULL,
  attempt     integer NOT NULL DEFAULT 0,
  attempts    integer NOT NULL DEFAULT 0,
  token       bigint  NOT NULL DEFAULT 0,
  node        text,
  lease_until bigint,
  cancelling  integer NOT NULL DEFAULT 0,
  progress    text,
  payload     bytea,
  code        text,
  created_at  bigint  NOT NULL,
  started_at  bigint,
  finished_at bigint,
  PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX jobs_unique ON jobs (tenant_id, unique_key) WHERE state IN ('waiting', 'running');
CREATE INDEX jobs_rank ON jobs (kind, rank_at) WHERE state = 'waiting';
CREATE INDEX jobs_due ON jobs (kind, run_at) WHERE state = 'waiting';
CREATE INDEX jobs_running ON jobs (lease_until) WHERE state = 'running';
CREATE INDEX jobs_subject ON jobs (tenant_id, subject);
CREATE INDEX jobs_finished ON jobs (finished_at) WHERE state IN ('done', 'failed', 'cancelled');
SELECT lotse_wall('jobs');

-- Work that comes back: one row each, whose job is made when next_at has come.
CREATE TABLE schedules (
  tenant_id   text COLLATE "C" NOT NULL CHECK (tenant_id = '*'),
  name        text COLLATE "C" NOT NULL,
  every       bigint NOT NULL CHECK (every > 0),
  next_at     bigint NOT NULL,
  finished_at bigint,
  PRIMARY KEY (tenant_id, name)
);
SELECT lotse_wall('schedules');
