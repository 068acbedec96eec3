-- Accounts: who may get in, with what, from where, and who was refused. Columns of
-- type bytea are sealed under the tenant's key.

-- +goose Up

CREATE TABLE users (
  tenant_id  text COLLATE "C" NOT NULL REFERENCES tenants (id),
  id         text COLLATE "C" NOT NULL,
  login      text COLLATE "C",                 -- MAC of the login name as it is compared
  profile    bytea,                            -- login name, name, address
  roles      text COLLATE "C" NOT NULL,        -- JSON, a list
  sites      text COLLATE "C" NOT NULL DEFAULT '[]',-- JSON, ids; empty: all
  state      text COLLATE "C" NOT NULL CHECK (state IN ('active', 'blocked', 'deleted')),
  version    bigint NOT NULL,
  terms      bigint NOT NULL DEFAULT 0,        -- version of the terms of use that were accepted
  terms_at   bigint,
  entered_at bigint,
  created_at bigint NOT NULL,
  PRIMARY KEY (tenant_id, id),
  CONSTRAINT deleted_is_empty CHECK (state <> 'deleted' OR (login IS NULL AND profile IS NULL))
);
CREATE UNIQUE INDEX users_by_login ON users (tenant_id, login) WHERE login IS NOT NULL;
SELECT lotse_wall('users');

-- What a person proves who they are with: a password, a second factor, a passkey, an
-- identity elsewhere. lookup finds one by what it is shown (a MAC). counter only
-- grows: no code is good twice.
CREATE TABLE credentials (
  tenant_id  text COLLATE "C" NOT NULL,
  id         text COLLATE "C" NOT NULL,
  user_id    text COLLATE "C" NOT NULL,
  kind       text COLLATE "C" NOT NULL,        -- password, totp …
  state      text COLLATE "C" NOT NULL CHECK (state IN ('initial', 'pending', 'active')),
  lookup     text COLLATE "C",
  data       bytea NOT NULL,
  counter    bigint NOT NULL DEFAULT 0,
  created_at bigint NOT NULL,
  used_at    bigint,
  PRIMARY KEY (tenant_id, id),
  FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id)
);
CREATE INDEX credentials_of_user ON credentials (tenant_id, user_id);
CREATE UNIQUE INDEX credentials_by_lookup ON credentials (tenant_id, kind, lookup) WHERE lookup IS NOT NULL;
CREATE UNIQUE INDEX credentials_password ON credentials (tenant_id, user_id) WHERE kind = 'password';
SELECT lotse_wall('credentials');

CREATE TABLE sessions (
  tenant_id  text COLLATE "C" NOT NULL,
  id         text COLLATE "C" NOT NULL,
  user_id    text COLLATE "C" NOT NULL,
  hash       text COLLATE "C" NOT NULL,        -- SHA-256 of the secret in the cookie
  step       text COLLATE "C" NOT NULL,        -- what comes next; in: nothing, it is complete
  methods    text COLLATE "C" NOT NULL,        -- JSON, what was proved
  created_at bigint NOT NULL,
  proved_at  bigint NOT NULL,                  -- when the person last proved who they are
  used_at    bigint NOT NULL,
  idle_at    bigint NOT NULL,                  -- it ends then unless it is used
  ends_at    bigint NOT NULL,                  -- it ends then
  network    text COLLATE "C" NOT NULL,        -- MAC of the network it was last used from
  network_at bigint NOT NULL,
  came_from  text COLLATE "C" NOT NULL DEFAULT '', -- MAC of the network before that
  origin     bytea,                            -- address and client
  PRIMARY KEY (tenant_id, id),
  FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id)
);
CREATE UNIQUE INDEX sessions_by_hash ON sessions (hash);
CREATE INDEX sessions_of_user ON sessions (tenant_id, user_id);
SELECT lotse_wall('sessions');

-- The networks a person got in from.
CREATE TABLE networks (
  tenant_id text COLLATE "C" NOT NULL,
  user_id   text COLLATE "C" NOT NULL,
  network   text COLLATE "C" NOT NULL,         -- MAC
  first_at  bigint NOT NULL,
  last_at   bigint NOT NULL,
  PRIMARY KEY (tenant_id, user_id, network),
  FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id)
);
SELECT lotse_wall('networks');

-- Tries that failed, by what they have in common: an account from a network, an
-- account, an address. name is a MAC; user_id is empty where there is no such account.
CREATE TABLE throttles (
  tenant_id  text COLLATE "C" NOT NULL REFERENCES tenants (id),
  kind       text COLLATE "C" NOT NULL,
  name       text COLLATE "C" NOT NULL,
  id         text COLLATE "C" NOT NULL,
  user_id    text COLLATE "C" NOT NULL DEFAULT '',
  tries      bigint NOT NULL,
  begun_at   bigint NOT NULL,
  last_at    bigint NOT NULL,
  until_at   bigint,                           -- nothing is tried before
  stays      bigint NOT NULL DEFAULT 0,        -- until an administrator lifts it
  PRIMARY KEY (tenant_id, kind, name)
);
CREATE UNIQUE INDEX throttles_by_id ON throttles (tenant_id, id);
SELECT lotse_wall('throttles');

-- Changes that wait for a second administrator.
CREATE TABLE approvals (
  tenant_id   text COLLATE "C" NOT NULL REFERENCES tenants (id),
  id          text COLLATE "C" NOT NULL,
  route       text COLLATE "C" NOT NULL,
  request     bytea,                           -- erased once it is settled
  answer      bytea,                           -- until the one who asked has taken it
  asked_by    text COLLATE "C" NOT NULL,
  state       text COLLATE "C" NOT NULL CHECK (state IN ('open', 'approved', 'refused', 'expired')),
  status      bigint NOT NULL DEFAULT 0,       -- of the answer, once carried out
  created_at  bigint NOT NULL,
  expires_at  bigint NOT NULL,
  settled_at  bigint,
  settled_by  text COLLATE "C" NOT NULL DEFAULT '',
  PRIMARY KEY (tenant_id, id),
  CONSTRAINT settled_is_empty CHECK (state = 'open' OR request IS NULL)
);
SELECT lotse_wall('approvals');

-- Access to all sites that somebody took for a time, with the reason.
CREATE TABLE elevations (
  tenant_id  text COLLATE "C" NOT NULL,
  id         text COLLATE "C" NOT NULL,
  user_id    text COLLATE "C" NOT NULL,
  reason     bytea NOT NULL,
  created_at bigint NOT NULL,
  ends_at    bigint NOT NULL,
  PRIMARY KEY (tenant_id, id),
  FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id)
);
CREATE INDEX elevations_of_user ON elevations (tenant_id, user_id, ends_at);
SELECT lotse_wall('elevations');
