-- 4 to 5: since when it is proved that somebody has no account.
ALTER TABLE target ADD COLUMN searched_at INTEGER;
