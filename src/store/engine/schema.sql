-- Times are milliseconds UTC, hashes are blobs, documents are JSON text. One file holds everything that must survive.

CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;

-- A person in one org. Its id is the lane key, assigned before any account exists.
CREATE TABLE target (
  id       INTEGER PRIMARY KEY AUTOINCREMENT,
  org      TEXT NOT NULL,
  okta_id  TEXT,
  rule     TEXT,             -- the rule of correlation that found the account
  login    TEXT,             -- login of the last create that was sent: where to look if its answer was lost
  conflict TEXT,             -- why correlation could not decide
  ended_at INTEGER,          -- since when access is over
  was      TEXT,             -- the entitlement that the last finished plan was made for
  waits    INTEGER NOT NULL DEFAULT 0, -- 1: the link to the manager waits for the manager's account
  searched_at INTEGER,       -- when Okta was last asked for an account of theirs by name, and had none
  searched_first INTEGER,    -- when it was asked for the first of two times
  lost     TEXT,             -- id of an account that was known, and that Okta has said not to have
  UNIQUE (org, okta_id)
) STRICT;
CREATE INDEX target_conflict ON target(id) WHERE conflict IS NOT NULL;
CREATE INDEX target_ended ON target(ended_at, org, okta_id) WHERE ended_at IS NOT NULL;

-- The newest document of each Namely profile.
CREATE TABLE source (
  tenant  TEXT NOT NULL,
  profile TEXT NOT NULL,
  doc     TEXT NOT NULL,
  hash    BLOB NOT NULL,
  manager TEXT,              -- profile of the manager, within the same company
  seen_at INTEGER NOT NULL,  -- when the answer that showed this document arrived (monotonic within one run)
  run     INTEGER NOT NULL,  -- the run of the service that saw it
  edited  INTEGER,           -- Namely's `updated_at` of the document, in seconds
  PRIMARY KEY (tenant, profile)
) STRICT, WITHOUT ROWID;
CREATE INDEX source_manager ON source(tenant, manager) WHERE manager IS NOT NULL;

-- Whom a profile belongs to, in each org that it is routed to.
CREATE TABLE link (
  org     TEXT NOT NULL,
  tenant  TEXT NOT NULL,
  profile TEXT NOT NULL,
  target  INTEGER NOT NULL REFERENCES target(id),
  routed  INTEGER NOT NULL,
  PRIMARY KEY (org, tenant, profile)
) STRICT, WITHOUT ROWID;
CREATE INDEX link_target ON link(target);
CREATE INDEX link_profile ON link(tenant, profile);

-- What the rules of correlation look profiles and accounts up by.
CREATE TABLE source_key (
  rule TEXT NOT NULL, value TEXT NOT NULL, tenant TEXT NOT NULL, profile TEXT NOT NULL,
  PRIMARY KEY (rule, value, tenant, profile)
) STRICT, WITHOUT ROWID;
CREATE INDEX source_key_profile ON source_key(tenant, profile);
CREATE TABLE account_key (
  org TEXT NOT NULL, attribute TEXT NOT NULL, value TEXT NOT NULL, okta_id TEXT NOT NULL,
  PRIMARY KEY (org, attribute, value, okta_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX account_key_account ON account_key(org, okta_id);

-- Matches that a person must decide about, and what they decided: decisions are remembered.
CREATE TABLE review (
  id       INTEGER PRIMARY KEY AUTOINCREMENT,
  org      TEXT NOT NULL,
  tenant   TEXT NOT NULL,
  profile  TEXT NOT NULL,
  subject  TEXT NOT NULL,    -- 'account ID' or 'target ID'
  rule     TEXT NOT NULL,
  why      TEXT NOT NULL,
  who      TEXT NOT NULL,    -- the candidate, for people
  since    INTEGER NOT NULL,
  verdict  TEXT,             -- 'accept' or 'reject'
  by       TEXT,
  at       INTEGER,
  applied  INTEGER NOT NULL DEFAULT 0,
  principal TEXT,
  name_key TEXT NOT NULL DEFAULT '', -- the name of the profile's person, for whoever may be the same
  UNIQUE (org, tenant, profile, subject)
) STRICT;
CREATE INDEX review_name ON review(org, name_key) WHERE verdict IS NULL;

-- Who has accepted first contact, for each tenant and org by itself.
CREATE TABLE acceptance (
  org    TEXT NOT NULL,
  tenant TEXT NOT NULL,
  by     TEXT NOT NULL,
  at     INTEGER NOT NULL,
  told   INTEGER NOT NULL DEFAULT 0, -- 1: in the audit
  principal TEXT NOT NULL DEFAULT '', -- who it was, whatever name was given
  PRIMARY KEY (org, tenant)
) STRICT, WITHOUT ROWID;

-- Anchors that this service wrote, or proved while the account was linked.
CREATE TABLE anchored (
  org       TEXT NOT NULL,
  anchor    TEXT NOT NULL,
  okta_id   TEXT NOT NULL,   -- empty: a create that was announced, under this login
  login_key TEXT NOT NULL,
  at        INTEGER NOT NULL,
  PRIMARY KEY (org, anchor, okta_id)
) STRICT, WITHOUT ROWID;

-- How a profile came to its account or person.
CREATE TABLE matched (
  org      TEXT NOT NULL,
  tenant   TEXT NOT NULL,
  profile  TEXT NOT NULL,
  rule     TEXT NOT NULL,
  evidence TEXT NOT NULL,
  at       INTEGER NOT NULL,
  pending  TEXT,             -- the adoption in words, until it was carried out
  by       TEXT,             -- who decided it, if somebody did
  PRIMARY KEY (org, tenant, profile)
) STRICT, WITHOUT ROWID;

-- Who has said that a match is right, where two people must.
CREATE TABLE review_vote (
  review    INTEGER NOT NULL,
  principal TEXT NOT NULL,
  by        TEXT NOT NULL,
  code      TEXT NOT NULL,   -- of what was shown
  why       TEXT,
  at        INTEGER NOT NULL,
  PRIMARY KEY (review, principal)
) STRICT, WITHOUT ROWID;

-- A login that was chosen for somebody is nobody else's, from before the account exists.
CREATE TABLE login (
  org    TEXT NOT NULL,
  key    TEXT NOT NULL,
  target INTEGER NOT NULL,
  PRIMARY KEY (org, key),
  UNIQUE (org, target)
) STRICT, WITHOUT ROWID;

-- Profiles that cannot be read: the person waits, everybody else goes on.
CREATE TABLE unreadable (
  tenant TEXT NOT NULL, profile TEXT NOT NULL, why TEXT NOT NULL, since INTEGER NOT NULL,
  PRIMARY KEY (tenant, profile)
) STRICT, WITHOUT ROWID;

-- What Okta holds, as last observed.
CREATE TABLE account (
  org         TEXT NOT NULL,
  okta_id     TEXT NOT NULL,
  login_key   TEXT NOT NULL,
  anchor      TEXT,
  status      TEXT NOT NULL,
  doc         TEXT NOT NULL,
  observed_at INTEGER NOT NULL,
  PRIMARY KEY (org, okta_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX account_login ON account(org, login_key);
CREATE INDEX account_anchor ON account(org, anchor);
CREATE INDEX account_awake ON account(org, okta_id, status) WHERE status NOT IN ('DEPROVISIONED', 'SUSPENDED');

-- The dirty set. dirty_rev > done_rev: Okta is not yet proved to hold the newest revision.
CREATE TABLE work (
  target     INTEGER PRIMARY KEY REFERENCES target(id),
  org        TEXT NOT NULL,
  class      INTEGER NOT NULL,
  rank       INTEGER NOT NULL,            -- virtual deadline: the order of service
  bucket     TEXT NOT NULL DEFAULT 'any', -- the counter its next call spends, as far as known
  due_at     INTEGER NOT NULL,
  dirty_at   INTEGER NOT NULL,
  dirty_rev  INTEGER NOT NULL,
  done_rev   INTEGER NOT NULL DEFAULT 0,
  state      INTEGER NOT NULL DEFAULT 0,  -- 0 ready, 1 set aside, 2 held
  judged     INTEGER NOT NULL DEFAULT 0,  -- the revision whose plan the safeguards have judged
  attempt    INTEGER NOT NULL DEFAULT 0,
  look       INTEGER NOT NULL DEFAULT 0,  -- 1: read Okta before anything else
  token      INTEGER,                     -- fencing token of the lane that holds it
  reason     TEXT,
  changes_at INTEGER,                     -- when time alone will change what the record means
  cause      TEXT NOT NULL DEFAULT ''     -- what made them dirty last
) STRICT;
CREATE INDEX work_ready ON work(org, bucket, rank)
  WHERE dirty_rev > done_rev AND state = 0 AND token IS NULL AND judged = dirty_rev;
CREATE INDEX work_unjudged ON work(org, rank) WHERE dirty_rev > done_rev AND state = 0 AND judged < dirty_rev;
CREATE INDEX work_held ON work(org) WHERE state = 2;
CREATE INDEX work_dirty ON work(class) WHERE dirty_rev > done_rev;
CREATE INDEX work_aside ON work(due_at) WHERE state = 1;
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

-- What the safeguards have judged: one row for each kind of change that somebody's plan holds and that is limited.
CREATE TABLE risk (
  target     INTEGER NOT NULL REFERENCES target(id),
  change     TEXT NOT NULL,
  org        TEXT NOT NULL,
  tenant     TEXT NOT NULL,
  department TEXT NOT NULL,
  rev        INTEGER NOT NULL, -- the revision it was judged for
  shown      TEXT NOT NULL,    -- the change in words: what people see, and what their approval is bound to
  at         INTEGER NOT NULL, -- when it was let through, or held
  run        INTEGER NOT NULL,
  hold       INTEGER REFERENCES hold(id), -- NULL: let through
  approved   INTEGER NOT NULL DEFAULT 0,  -- 1: by somebody; such people are not counted
  administrator INTEGER NOT NULL DEFAULT 0, -- 0 no, 1 holds an admin role, 2 may hold one
  objects    TEXT NOT NULL DEFAULT '[]',  -- JSON: which groups, which attributes
  fact       TEXT NOT NULL DEFAULT '[]',  -- JSON: what Namely says behind it; a rejection is bound to both
  PRIMARY KEY (target, change)
) STRICT, WITHOUT ROWID;
CREATE INDEX risk_counted ON risk(org, change, tenant, at) WHERE approved = 0;
CREATE INDEX risk_hold ON risk(hold) WHERE hold IS NOT NULL;

-- Changes of one kind that wait for somebody's decision.
CREATE TABLE hold (
  id         INTEGER PRIMARY KEY AUTOINCREMENT,
  org        TEXT NOT NULL,
  change     TEXT NOT NULL,
  scope      TEXT NOT NULL,    -- whom it is about, for people; holds of one kind and scope grow until they are decided
  why        TEXT NOT NULL,
  needs      INTEGER NOT NULL, -- how many people must approve
  since      INTEGER NOT NULL,
  reminded   INTEGER NOT NULL, -- when somebody was last told
  verdict    TEXT,             -- 'approved' or 'rejected'
  at         INTEGER,
  until      INTEGER           -- when what the only approver has approved is carried out, unless somebody cancels
) STRICT;
CREATE INDEX hold_open ON hold(org, change, scope) WHERE verdict IS NULL;

-- What people have said about holds. Each is bound to what they were shown.
CREATE TABLE vote (
  id      INTEGER PRIMARY KEY AUTOINCREMENT,
  hold    INTEGER NOT NULL REFERENCES hold(id),
  approve INTEGER NOT NULL,    -- 0 rejects, 1 approves, 2 takes back the approvals so far, 3 takes back a rejection
  seen    TEXT NOT NULL,       -- the code of what was shown
  only    TEXT,                -- JSON: the targets that are meant; all without it
  by      TEXT NOT NULL,
  at      INTEGER NOT NULL,
  state   TEXT,                -- 'counted', or why it does not count
  principal TEXT NOT NULL DEFAULT '' -- who it was, whatever name was given
) STRICT;
CREATE INDEX vote_new ON vote(hold) WHERE state IS NULL;

-- A group of Namely that is called something else since: everybody in it will follow.
CREATE TABLE renamed (
  tenant TEXT NOT NULL, was TEXT NOT NULL, name TEXT NOT NULL, at INTEGER NOT NULL,
  to_come INTEGER NOT NULL,    -- people whose profile still shows the old name
  PRIMARY KEY (tenant, was, name)
) STRICT, WITHOUT ROWID;

-- What somebody has approved of a saved plan, in the words in which it was shown. Gone when it is done, or does not hold.
CREATE TABLE approval (
  target    INTEGER NOT NULL REFERENCES target(id),
  change    TEXT NOT NULL,
  principal TEXT NOT NULL,
  words     TEXT NOT NULL,       -- a JSON list
  plan      TEXT NOT NULL,       -- the checksum of the saved plan
  by        TEXT NOT NULL,
  at        INTEGER NOT NULL,
  expires   INTEGER NOT NULL,
  rev       INTEGER NOT NULL,    -- the revision that it is about
  rules     TEXT NOT NULL,       -- the fingerprint of the rules that it was planned by
  told      INTEGER NOT NULL DEFAULT 0, -- 1: in the audit
  PRIMARY KEY (target, change, principal)
) STRICT, WITHOUT ROWID;
CREATE INDEX approval_new ON approval(at) WHERE told = 0;

-- What somebody has rejected: it outlives the hold, and every configuration.
CREATE TABLE rejection (
  id        INTEGER PRIMARY KEY AUTOINCREMENT,
  target    INTEGER NOT NULL REFERENCES target(id),
  change    TEXT NOT NULL,
  objects   TEXT NOT NULL,       -- a JSON list: which groups, which attributes
  fact      TEXT NOT NULL,       -- JSON: what Namely said behind it
  shown     TEXT NOT NULL,
  hold      INTEGER NOT NULL REFERENCES hold(id),
  by        TEXT NOT NULL,
  principal TEXT NOT NULL,
  at        INTEGER NOT NULL,
  ended     TEXT,                -- why it does not hold any more
  ended_at  INTEGER
) STRICT;
CREATE INDEX rejection_now ON rejection(target) WHERE ended_at IS NULL;
CREATE INDEX rejection_hold ON rejection(hold) WHERE ended_at IS NULL;

-- What an undo has restored: kept until Namely or the mapping says something new.
CREATE TABLE pin (
  target INTEGER PRIMARY KEY REFERENCES target(id),
  pins   TEXT NOT NULL,        -- JSON
  why    TEXT NOT NULL,
  by     TEXT NOT NULL,
  at     INTEGER NOT NULL,
  principal TEXT NOT NULL DEFAULT ''
) STRICT;

-- What somebody has asked the service to do.
CREATE TABLE request (
  id   INTEGER PRIMARY KEY AUTOINCREMENT,
  org  TEXT NOT NULL,
  what TEXT NOT NULL,          -- JSON
  by   TEXT NOT NULL,
  at   INTEGER NOT NULL,
  done TEXT,                   -- what came of it
  principal TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX request_new ON request(org) WHERE done IS NULL;

-- Writes that somebody has stopped.
CREATE TABLE pause (
  id      INTEGER PRIMARY KEY AUTOINCREMENT,
  org     TEXT,                -- NULL: every org
  change  TEXT,                -- NULL: every kind
  why     TEXT NOT NULL,
  by      TEXT NOT NULL,
  at      INTEGER NOT NULL,
  ended_by TEXT,
  ended_at INTEGER,
  told    INTEGER NOT NULL DEFAULT 0, -- 1: its begin is in the audit; 2: its end too
  principal TEXT NOT NULL DEFAULT '',
  ended_principal TEXT
) STRICT;
CREATE INDEX pause_now ON pause(org) WHERE ended_at IS NULL;

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

-- Rows are never changed, and removed only up to where retention has been written down ('audit_base' in meta).
CREATE TRIGGER audit_append_only BEFORE UPDATE ON audit BEGIN
  SELECT raise(ABORT, 'audit rows are never changed');
END;
CREATE TRIGGER audit_retention BEFORE DELETE ON audit
WHEN OLD.seq > coalesce((SELECT CAST(substr(value, 1, instr(value, ' ')) AS INTEGER) FROM meta WHERE key = 'audit_base'), 0)
BEGIN
  SELECT raise(ABORT, 'audit rows are removed only by `audit prune`');
END;
CREATE INDEX audit_kind ON audit(kind, seq);

-- What the chain was at one moment, signed: also written where whoever can write this file cannot.
CREATE TABLE checkpoint (seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, checkpoint TEXT NOT NULL) STRICT;

-- How far each sink has delivered the audit.
CREATE TABLE sink (name TEXT PRIMARY KEY, seq INTEGER NOT NULL) STRICT, WITHOUT ROWID;

-- What the planner of queries must know and cannot guess: there are few orgs and companies, and many people in each. Written
-- down instead of measured, so that plans do not depend on when somebody has run ANALYZE.
ANALYZE;
DELETE FROM sqlite_stat1;
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
  ('target', 'sqlite_autoindex_target_1', '100000 50000 1'),
  ('target', 'target_conflict', '100 1'),
  ('target', 'target_ended', '5000 2 2 1'),
  ('source', 'source', '100000 50000 1'),
  ('source', 'source_manager', '100000 50000 10'),
  ('link', 'link', '100000 50000 50000 1'),
  ('link', 'link_target', '100000 1'),
  ('link', 'link_profile', '100000 50000 1'),
  ('source_key', 'source_key', '200000 100000 1 1 1'),
  ('source_key', 'source_key_profile', '200000 100000 2'),
  ('account_key', 'account_key', '200000 100000 50000 1 1'),
  ('account_key', 'account_key_account', '200000 100000 2'),
  ('review', 'sqlite_autoindex_review_1', '1000 500 500 1 1'),
  ('login', 'login', '100000 50000 1'),
  ('login', 'sqlite_autoindex_login_2', '100000 50000 1'),
  ('account', 'account', '100000 50000 1'),
  ('account', 'account_login', '100000 50000 1'),
  ('account', 'account_anchor', '100000 50000 1'),
  ('account', 'account_awake', '100000 50000 1 1'),
  ('work', NULL, '100000'),
  ('work', 'work_ready', '10000 5000 2000 1'),
  ('work', 'work_dirty', '10000 2000'),
  ('work', 'work_aside', '1000 1'),
  ('work', 'work_unjudged', '10000 5000 1'),
  ('work', 'work_held', '1000 500'),
  ('risk', 'risk', '100000 1 1'),
  ('risk', 'risk_counted', '10000 5000 2500 1200 1'),
  ('risk', 'risk_hold', '1000 100'),
  ('hold', 'hold_open', '10 5 2 1'),
  ('vote', 'vote_new', '10 1'),
  ('approval', 'approval', '1000 4 1 1'),
  ('approval', 'approval_new', '10 1'),
  ('request', 'request_new', '2 1'),
  ('rejection', 'rejection_now', '1000 1'),
  ('rejection', 'rejection_hold', '1000 100'),
  ('pin', NULL, '100'),
  ('pause', 'pause_now', '2 1'),
  ('work', 'work_changes', '1000 1'),
  ('audit', 'audit_kind', '1000000 100000 1'),
  ('audit', 'audit_target', '1000000 10');
ANALYZE sqlite_schema;

-- Profiles that complete walks of a tenant did not show, since when, and who has said that they stay.
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
  over           TEXT,                  -- 'restored' by somebody, 'confirmed' by HR, or 'joined' with another one
  over_at        INTEGER,
  over_by        TEXT,
  over_principal TEXT,
  follows   INTEGER,                    -- the one that this follows: the same person in another org, or after a split
  only_here INTEGER NOT NULL DEFAULT 0, -- 1: asked for in this org only; otherwise it is of the person, in every org
  followed_at INTEGER                   -- since when the record has said as much by itself
) STRICT;
CREATE UNIQUE INDEX end_access_now ON end_access(target) WHERE over_at IS NULL;
CREATE INDEX end_access_by ON end_access(principal, at);
