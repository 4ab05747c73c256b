-- 7 to 8: when Namely says that a document was edited, so that an older one does not take it back after a restart either.
ALTER TABLE source ADD COLUMN edited INTEGER;
