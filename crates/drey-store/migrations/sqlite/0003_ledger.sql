-- Raised by everybody who takes from what all share. Who has added up what others took commits only while it stands where
-- it stood before.
ALTER TABLE clock ADD COLUMN ledger BIGINT NOT NULL DEFAULT 0;
