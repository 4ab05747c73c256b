-- 5 to 6: profiles that complete walks of a tenant did not show, since when, and who has said that they stay.
CREATE TABLE missing (
  tenant  TEXT NOT NULL,
  profile TEXT NOT NULL,
  since   INTEGER NOT NULL,  -- the start of the first complete walk without it
  name_key TEXT NOT NULL,    -- as in `review`: who may have been made anew under another profile
  verdict TEXT,              -- 'keep': the person stays as they are; 'end': access ends
  by      TEXT,              -- who has decided that
  principal TEXT,
  why     TEXT,
  at      INTEGER,
  PRIMARY KEY (tenant, profile)
) STRICT, WITHOUT ROWID;
CREATE INDEX missing_name ON missing(tenant, name_key);

-- Calls that were never answered, or that the service was stopped during: whom they were for is looked at again.
CREATE TABLE unanswered (
  id      INTEGER PRIMARY KEY AUTOINCREMENT,
  target  INTEGER NOT NULL,
  step    TEXT NOT NULL,     -- JSON, as in `intent`
  sent_at INTEGER NOT NULL,
  due_at  INTEGER NOT NULL   -- the next look
) STRICT;
CREATE INDEX unanswered_due ON unanswered(due_at);
CREATE INDEX unanswered_target ON unanswered(target);

-- Addresses that a profile had before: its account may still have one of them as login.
CREATE TABLE former_email (
  tenant  TEXT NOT NULL,
  profile TEXT NOT NULL,
  email   TEXT NOT NULL,
  at      INTEGER NOT NULL,  -- when Namely said another one
  PRIMARY KEY (tenant, profile, email)
) STRICT, WITHOUT ROWID;

-- What people wait for who are quarantined: a group, an app, a user type, a login.
CREATE TABLE awaited (
  target INTEGER NOT NULL REFERENCES target(id),
  org    TEXT NOT NULL,
  what   TEXT NOT NULL,
  PRIMARY KEY (target, what)
) STRICT, WITHOUT ROWID;
CREATE INDEX awaited_what ON awaited(org, what);

-- The last call that Okta refused for somebody, and how often in a row it has done so in the same words.
CREATE TABLE refused (
  target INTEGER PRIMARY KEY REFERENCES target(id),
  what   TEXT NOT NULL,      -- method, path, hash of the body, and what Okta said
  times  INTEGER NOT NULL
) STRICT;

-- Access that somebody has ended before HR has: it lasts until HR's own record ends it too, or somebody takes it back.
CREATE TABLE end_access (
  id        INTEGER PRIMARY KEY AUTOINCREMENT,
  target    INTEGER NOT NULL REFERENCES target(id),
  by        TEXT NOT NULL,
  principal TEXT NOT NULL,
  why       TEXT NOT NULL,
  at        INTEGER NOT NULL,
  begins    INTEGER NOT NULL,           -- from when on
  suspends  INTEGER NOT NULL DEFAULT 0, -- 1: only suspended
  waits     INTEGER NOT NULL DEFAULT 0, -- 1: a second person must agree first
  agreed_by        TEXT,
  agreed_principal TEXT,
  over           TEXT,                  -- 'restored' by somebody, or 'confirmed' by HR
  over_at        INTEGER,
  over_by        TEXT,
  over_principal TEXT
) STRICT;
CREATE UNIQUE INDEX end_access_now ON end_access(target) WHERE over_at IS NULL;
CREATE INDEX end_access_by ON end_access(principal, at);
