-- +goose Up

CREATE TABLE tenants (
  id           TEXT    PRIMARY KEY,
  name         TEXT    NOT NULL,
  created_at   INTEGER NOT NULL,
  destroyed_at INTEGER
) STRICT;

CREATE TABLE sites (
  tenant_id  TEXT    NOT NULL REFERENCES tenants (id),
  id         TEXT    NOT NULL,
  name       TEXT    NOT NULL,
  created_at INTEGER NOT NULL,
  PRIMARY KEY (tenant_id, id),
  UNIQUE (tenant_id, name)
) STRICT, WITHOUT ROWID;

-- Work to do. tenant_id is '*' for work that belongs to no tenant. rank_at is
-- run_at less a minute for each step of priority: the order of claiming, in which
-- age catches up with any priority. attempt counts the runs, at most attempts of
-- them unless that is 0. token grows with each claim; cancelling is what a person
-- has asked of a running job; code says why it failed.
CREATE TABLE jobs (
  tenant_id   TEXT    NOT NULL,
  id          TEXT    NOT NULL,
  kind        TEXT    NOT NULL,
  subject     TEXT    NOT NULL,
  unique_key  TEXT,
  state       TEXT    NOT NULL CHECK (state IN ('waiting', 'running', 'done', 'failed', 'cancelled')),
  priority    INTEGER NOT NULL,
  run_at      INTEGER NOT NULL,
  rank_at     INTEGER NOT NULL,
  attempt     INTEGER NOT NULL DEFAULT 0,
  attempts    INTEGER NOT NULL DEFAULT 0,
  token       INTEGER NOT NULL DEFAULT 0,
  node        TEXT,
  lease_until INTEGER,
  cancelling  INTEGER NOT NULL DEFAULT 0,
  progress    TEXT,
  payload     BLOB,
  code        TEXT,
  created_at  INTEGER NOT NULL,
  started_at  INTEGER,
  finished_at INTEGER,
  PRIMARY KEY (tenant_id, id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX jobs_unique ON jobs (tenant_id, unique_key) WHERE state IN ('waiting', 'running');
CREATE INDEX jobs_rank ON jobs (kind, rank_at) WHERE state = 'waiting';
CREATE INDEX jobs_due ON jobs (kind, run_at) WHERE state = 'waiting';
CREATE INDEX jobs_running ON jobs (lease_until) WHERE state = 'running';
CREATE INDEX jobs_subject ON jobs (tenant_id, subject);
CREATE INDEX jobs_finished ON jobs (finished_at) WHERE state IN ('done', 'failed', 'cancelled');

-- Work that comes back: one row each, whose job is made when next_at has come.
CREATE TABLE schedules (
  tenant_id   TEXT    NOT NULL CHECK (tenant_id = '*'),
  name        TEXT    NOT NULL,
  every       INTEGER NOT NULL CHECK (every > 0),
  next_at     INTEGER NOT NULL,
  finished_at INTEGER,
  PRIMARY KEY (tenant_id, name)
) STRICT, WITHOUT ROWID;
