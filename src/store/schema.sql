-- Times are milliseconds UTC, hashes are blobs, documents are JSON text. One file holds everything that must survive.

CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;

-- A person in the org. Its id is the lane key, assigned before any account exists.
CREATE TABLE target (
  id       INTEGER PRIMARY KEY AUTOINCREMENT,
  okta_id  TEXT UNIQUE,
  login    TEXT,             -- login of the last create that was sent: where to look if its answer was lost
  conflict TEXT              -- why correlation could not decide
) STRICT;

-- The newest document of each Namely profile, and the target it belongs to.
CREATE TABLE source (
  tenant  TEXT NOT NULL,
  profile TEXT NOT NULL,
  target  INTEGER NOT NULL REFERENCES target(id),
  doc     TEXT NOT NULL,
  hash    BLOB NOT NULL,
  seen_at INTEGER NOT NULL,  -- when the answer that showed this document arrived (monotonic within one run)
  run     INTEGER NOT NULL,  -- the run of the service that saw it
  PRIMARY KEY (tenant, profile)
) STRICT, WITHOUT ROWID;
CREATE INDEX source_target ON source(target);

-- Profiles that cannot be read: the person waits, everybody else goes on.
CREATE TABLE unreadable (
  tenant TEXT NOT NULL, profile TEXT NOT NULL, why TEXT NOT NULL, since INTEGER NOT NULL,
  PRIMARY KEY (tenant, profile)
) STRICT, WITHOUT ROWID;

-- What Okta holds, as last observed.
CREATE TABLE account (
  okta_id     TEXT PRIMARY KEY,
  login_key   TEXT NOT NULL,
  anchor      TEXT,
  status      TEXT NOT NULL,
  doc         TEXT NOT NULL,
  observed_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX account_login ON account(login_key);
CREATE INDEX account_anchor ON account(anchor) WHERE anchor IS NOT NULL;

-- The dirty set. dirty_rev > done_rev: Okta is not yet proved to hold the newest revision.
CREATE TABLE work (
  target     INTEGER PRIMARY KEY REFERENCES target(id),
  class      INTEGER NOT NULL,
  rank       INTEGER NOT NULL,            -- virtual deadline: the order of service
  bucket     TEXT NOT NULL DEFAULT 'any', -- the counter its next call spends, as far as known
  due_at     INTEGER NOT NULL,
  dirty_at   INTEGER NOT NULL,
  dirty_rev  INTEGER NOT NULL,
  done_rev   INTEGER NOT NULL DEFAULT 0,
  state      INTEGER NOT NULL DEFAULT 0,  -- 0 ready, 1 set aside
  attempt    INTEGER NOT NULL DEFAULT 0,
  look       INTEGER NOT NULL DEFAULT 0,  -- 1: what became of a call is unknown, read Okta first
  token      INTEGER,                     -- fencing token of the lane that holds it
  reason     TEXT,
  changes_at INTEGER                      -- when time alone will change what the profile means
) STRICT;
CREATE INDEX work_ready ON work(bucket, rank) WHERE dirty_rev > done_rev AND state = 0 AND token IS NULL;
CREATE INDEX work_dirty ON work(class) WHERE dirty_rev > done_rev;
CREATE INDEX work_changes ON work(changes_at) WHERE changes_at IS NOT NULL;

-- Calls that were announced and have no outcome yet.
CREATE TABLE intent (
  id        INTEGER PRIMARY KEY AUTOINCREMENT,
  target    INTEGER NOT NULL,
  token     INTEGER NOT NULL,
  rev       INTEGER NOT NULL,
  step      TEXT NOT NULL,
  method    TEXT NOT NULL,
  path      TEXT NOT NULL,
  body_hash TEXT NOT NULL,
  attempt   INTEGER NOT NULL,
  sent_at   INTEGER NOT NULL
) STRICT;
CREATE INDEX intent_target ON intent(target);

-- Append-only; each row carries the hash of the row before it.
CREATE TABLE audit (
  seq     INTEGER PRIMARY KEY,
  at      INTEGER NOT NULL,
  kind    TEXT NOT NULL,
  target  INTEGER,
  profile TEXT,
  row     TEXT NOT NULL,
  hash    BLOB NOT NULL
) STRICT;
CREATE INDEX audit_target ON audit(target) WHERE target IS NOT NULL;

-- How far each sink has delivered the audit.
CREATE TABLE sink (name TEXT PRIMARY KEY, seq INTEGER NOT NULL) STRICT, WITHOUT ROWID;
