-- 4 to 5: since when it is proved that somebody has no account.
ALTER TABLE target ADD COLUMN searched_at INTEGER;

-- What was known of somebody as an administrator when they were judged: 0 nobody, 1 holds a role, 2 may hold one.
ALTER TABLE risk ADD COLUMN administrator INTEGER NOT NULL DEFAULT 0;
