-- Up Migration
-- Adds deferred.failing_since, by which a message that fails is told from a schema that refuses them all.

-- NULL: the message waits for something, and has not failed.
ALTER TABLE deferred ADD COLUMN IF NOT EXISTS failing_since timestamptz;

-- Down Migration
-- Drops deferred.failing_since.

ALTER TABLE IF EXISTS deferred DROP COLUMN IF EXISTS failing_since;
