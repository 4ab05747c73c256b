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
