-- 4 to 5: since when it is proved that somebody has no account.
ALTER TABLE target ADD COLUMN searched_at INTEGER;
-- Whose account was known and is not found any more is asked for twice.
ALTER TABLE target ADD COLUMN searched_first INTEGER;
ALTER TABLE target ADD COLUMN lost TEXT;
