-- Up Migration
-- Creates the table page_snapshots, where the replicas share the counts of the fleet that the status page shows.

-- One row at most. A replica that counts the fleet claims it first, so that only one of them counts.
CREATE TABLE IF NOT EXISTS page_snapshots (
  id integer PRIMARY KEY CHECK (id = 1),
  -- When the last count began. It is the name of the claim too.
  begun_at timestamptz NOT NULL,
  -- Until when no other replica may count. NULL: nobody counts.
  claimed_until timestamptz,
  taken_at timestamptz,
  -- NULL: no count has ended yet.
  content json
);

-- Down Migration
-- Drops page_snapshots, which holds nothing that cannot be counted again.

DROP TABLE IF EXISTS page_snapshots;
