-- 4 to 5: since when it is proved that somebody has no account.
ALTER TABLE target ADD COLUMN searched_at INTEGER;
-- Whose account was known and is not found any more is asked for twice.
ALTER TABLE target ADD COLUMN searched_first INTEGER;
ALTER TABLE target ADD COLUMN lost TEXT;

-- What was known of somebody as an administrator when they were judged: 0 nobody, 1 holds a role, 2 may hold one.
ALTER TABLE risk ADD COLUMN administrator INTEGER NOT NULL DEFAULT 0;
-- Who decides is a principal, whatever name was given. A vote of before says no principal: it must be given again.
ALTER TABLE vote ADD COLUMN principal TEXT NOT NULL DEFAULT '';
UPDATE vote SET state = 'from before principals were counted: it must be given again'
  WHERE hold IN (SELECT id FROM hold WHERE verdict IS NULL);
ALTER TABLE pause ADD COLUMN principal TEXT NOT NULL DEFAULT '';
ALTER TABLE pause ADD COLUMN ended_principal TEXT;
ALTER TABLE review ADD COLUMN principal TEXT;
ALTER TABLE request ADD COLUMN principal TEXT NOT NULL DEFAULT '';
ALTER TABLE pin ADD COLUMN principal TEXT NOT NULL DEFAULT '';
-- When the only approver's approval is carried out.
ALTER TABLE hold ADD COLUMN until INTEGER;
-- What a rejection would be bound to.
ALTER TABLE risk ADD COLUMN objects TEXT NOT NULL DEFAULT '[]';
ALTER TABLE risk ADD COLUMN fact TEXT NOT NULL DEFAULT '[]';
-- An approval without revision and rules is bound to nothing.
DROP TABLE approval;
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
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES ('approval', 'approval', '1000 4 1 1'), ('approval', 'approval_new', '10 1'),
  ('rejection', 'rejection_now', '1000 1'), ('rejection', 'rejection_hold', '1000 100');

-- Who has accepted first contact, for each tenant and org by itself.
CREATE TABLE acceptance (
  org TEXT NOT NULL, tenant TEXT NOT NULL, by TEXT NOT NULL, at INTEGER NOT NULL,
  told INTEGER NOT NULL DEFAULT 0,
  principal TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (org, tenant)
) STRICT, WITHOUT ROWID;
-- What was accepted for an org was accepted for the tenants that had been walked.
INSERT INTO acceptance (org, tenant, by, at, told)
  SELECT DISTINCT l.org, l.tenant, m.value, 0, 1 FROM link l JOIN meta m ON m.key = 'adopted ' || l.org
  WHERE EXISTS (SELECT 1 FROM meta w WHERE w.key = 'walked ' || l.tenant);
-- Orgs that were compared with everybody who had been seen before their accounts were read.
INSERT OR IGNORE INTO meta SELECT 'compared ' || org, '1' FROM (SELECT DISTINCT org FROM account);

-- Anchors that this service wrote, or proved while the account was linked.
CREATE TABLE anchored (
  org TEXT NOT NULL, anchor TEXT NOT NULL, okta_id TEXT NOT NULL, login_key TEXT NOT NULL, at INTEGER NOT NULL,
  PRIMARY KEY (org, anchor, okta_id)
) STRICT, WITHOUT ROWID;
INSERT INTO anchored (org, anchor, okta_id, login_key, at)
  SELECT DISTINCT t.org, a.anchor, a.okta_id, '', 0 FROM target t JOIN account a ON a.org = t.org AND a.okta_id = t.okta_id
  JOIN link l ON l.target = t.id AND l.profile = a.anchor;

-- Under which name somebody waits for a review.
ALTER TABLE review ADD COLUMN name_key TEXT NOT NULL DEFAULT '';
CREATE INDEX review_name ON review(org, name_key) WHERE verdict IS NULL;

-- Who has said that a match is right, where two people must.
CREATE TABLE review_vote (
  review INTEGER NOT NULL, principal TEXT NOT NULL, by TEXT NOT NULL, code TEXT NOT NULL, why TEXT, at INTEGER NOT NULL,
  PRIMARY KEY (review, principal)
) STRICT, WITHOUT ROWID;

-- How a profile came to its account or person.
CREATE TABLE matched (
  org TEXT NOT NULL, tenant TEXT NOT NULL, profile TEXT NOT NULL, rule TEXT NOT NULL, evidence TEXT NOT NULL,
  at INTEGER NOT NULL, pending TEXT, by TEXT,
  PRIMARY KEY (org, tenant, profile)
) STRICT, WITHOUT ROWID;

-- Who has left and still has access is asked every few seconds.
CREATE INDEX target_ended ON target(ended_at, org, okta_id) WHERE ended_at IS NOT NULL;
CREATE INDEX account_awake ON account(org, okta_id, status) WHERE status NOT IN ('DEPROVISIONED', 'SUSPENDED');
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES ('target', 'target_ended', '5000 2 2 1'),
  ('account', 'account_awake', '100000 50000 1 1');
