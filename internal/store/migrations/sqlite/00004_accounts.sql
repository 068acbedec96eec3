-- Accounts: who may get in, with what, from where, and who was refused. Columns of
-- type BLOB are sealed under the tenant's key.

-- +goose Up

CREATE TABLE users (
  tenant_id  TEXT NOT NULL REFERENCES tenants (id),
  id         TEXT NOT NULL,
  login      TEXT,                             -- MAC of the login name as it is compared
  profile    BLOB,                             -- login name, name, address
  roles      TEXT NOT NULL,                    -- JSON, a list
  sites      TEXT NOT NULL DEFAULT '[]',       -- JSON, ids; empty: all
  state      TEXT NOT NULL CHECK (state IN ('active', 'blocked', 'deleted')),
  version    INTEGER NOT NULL,
  terms      INTEGER NOT NULL DEFAULT 0,       -- version of the terms of use that were accepted
  terms_at   INTEGER,
  entered_at INTEGER,
  created_at INTEGER NOT NULL,
  PRIMARY KEY (tenant_id, id),
  CONSTRAINT deleted_is_empty CHECK (state <> 'deleted' OR (login IS NULL AND profile IS NULL))
) STRICT;
CREATE UNIQUE INDEX users_by_login ON users (tenant_id, login) WHERE login IS NOT NULL;

-- What a person proves who they are with: a password, a second factor, a passkey, an
-- identity elsewhere. lookup finds one by what it is shown (a MAC). counter only
-- grows: no code is good twice.
CREATE TABLE credentials (
  tenant_id  TEXT NOT NULL,
  id         TEXT NOT NULL,
  user_id    TEXT NOT NULL,
  kind       TEXT NOT NULL,                    -- password, totp …
  state      TEXT NOT NULL CHECK (state IN ('initial', 'pending', 'active')),
  lookup     TEXT,
  data       BLOB NOT NULL,
  counter    INTEGER NOT NULL DEFAULT 0,
  created_at INTEGER NOT NULL,
  used_at    INTEGER,
  PRIMARY KEY (tenant_id, id),
  FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id)
) STRICT;
CREATE INDEX credentials_of_user ON credentials (tenant_id, user_id);
CREATE UNIQUE INDEX credentials_by_lookup ON credentials (tenant_id, kind, lookup) WHERE lookup IS NOT NULL;
CREATE UNIQUE INDEX credentials_password ON credentials (tenant_id, user_id) WHERE kind = 'password';

CREATE TABLE sessions (
  tenant_id  TEXT NOT NULL,
  id         TEXT NOT NULL,
  user_id    TEXT NOT NULL,
  hash       TEXT NOT NULL,                    -- SHA-256 of the secret in the cookie
  step       TEXT NOT NULL,                    -- what comes next; in: nothing, it is complete
  methods    TEXT NOT NULL,                    -- JSON, what was proved
  created_at INTEGER NOT NULL,
  proved_at  INTEGER NOT NULL,                 -- when the person last proved who they are
  used_at    INTEGER NOT NULL,
  idle_at    INTEGER NOT NULL,                 -- it ends then unless it is used
  ends_at    INTEGER NOT NULL,                 -- it ends then
  network    TEXT NOT NULL,                    -- MAC of the network it was last used from
  network_at INTEGER NOT NULL,
  came_from  TEXT NOT NULL DEFAULT '',         -- MAC of the network before that
  origin     BLOB,                             -- address and client
  PRIMARY KEY (tenant_id, id),
  FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id)
) STRICT;
CREATE UNIQUE INDEX sessions_by_hash ON sessions (hash);
CREATE INDEX sessions_of_user ON sessions (tenant_id, user_id);

-- The networks a person got in from.
CREATE TABLE networks (
  tenant_id TEXT NOT NULL,
  user_id   TEXT NOT NULL,
  network   TEXT NOT NULL,                     -- MAC
  first_at  INTEGER NOT NULL,
  last_at   INTEGER NOT NULL,
  PRIMARY KEY (tenant_id, user_id, network),
  FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id)
) STRICT, WITHOUT ROWID;

-- Tries that failed, by what they have in common: an account from a network, an
-- account, an address. name is a MAC; user_id is empty where there is no such account.
CREATE TABLE throttles (
  tenant_id  TEXT NOT NULL REFERENCES tenants (id),
  kind       TEXT NOT NULL,
  name       TEXT NOT NULL,
  id         TEXT NOT NULL,
  user_id    TEXT NOT NULL DEFAULT '',
  tries      INTEGER NOT NULL,
  begun_at   INTEGER NOT NULL,
  last_at    INTEGER NOT NULL,
  until_at   INTEGER,                          -- nothing is tried before
  stays      INTEGER NOT NULL DEFAULT 0,       -- until an administrator lifts it
  PRIMARY KEY (tenant_id, kind, name)
) STRICT;
CREATE UNIQUE INDEX throttles_by_id ON throttles (tenant_id, id);

-- Changes that wait for a second administrator.
CREATE TABLE approvals (
  tenant_id   TEXT NOT NULL REFERENCES tenants (id),
  id          TEXT NOT NULL,
  route       TEXT NOT NULL,
  request     BLOB,                            -- erased once it is settled
  answer      BLOB,                            -- until the one who asked has taken it
  asked_by    TEXT NOT NULL,
  state       TEXT NOT NULL CHECK (state IN ('open', 'approved', 'refused', 'expired')),
  status      INTEGER NOT NULL DEFAULT 0,      -- of the answer, once carried out
  created_at  INTEGER NOT NULL,
  expires_at  INTEGER NOT NULL,
  settled_at  INTEGER,
  settled_by  TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (tenant_id, id),
  CONSTRAINT settled_is_empty CHECK (state = 'open' OR request IS NULL)
) STRICT;

-- Access to all sites that somebody took for a time, with the reason.
CREATE TABLE elevations (
  tenant_id  TEXT NOT NULL,
  id         TEXT NOT NULL,
  user_id    TEXT NOT NULL,
  reason     BLOB NOT NULL,
  created_at INTEGER NOT NULL,
  ends_at    INTEGER NOT NULL,
  PRIMARY KEY (tenant_id, id),
  FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id)
) STRICT;
CREATE INDEX elevations_of_user ON elevations (tenant_id, user_id, ends_at);
