-- 3 to 4: what made somebody dirty last.
ALTER TABLE work ADD COLUMN cause TEXT NOT NULL DEFAULT '';
