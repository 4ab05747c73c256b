-- 6 to 7: an end of access by hand is of the person, in every org, and not of a target alone.
ALTER TABLE end_access ADD COLUMN follows INTEGER;
ALTER TABLE end_access ADD COLUMN only_here INTEGER NOT NULL DEFAULT 0;
-- Since when the record has said as much by itself.
ALTER TABLE end_access ADD COLUMN followed_at INTEGER;
