-- 5 to 6: profiles that complete walks of a tenant did not show, since when, and who has said that they stay.
CREATE TABLE missing (
  tenant  TEXT NOT NULL,
  profile TEXT NOT NULL,
  since   INTEGER NOT NULL,  -- the start of the first complete walk without it
  kept_by TEXT,              -- who has said that the person stays as they are
  why     TEXT,
  kept_at INTEGER,
  PRIMARY KEY (tenant, profile)
) STRICT, WITHOUT ROWID;
