-- Up Migration
-- Creates the table replicas, where each replica registers, with its signs of life and the MQTT sessions that a peer may have to take over.

-- IF NOT EXISTS: a rollback keeps a table that holds rows.

-- One row for each transport of a replica.
CREATE TABLE IF NOT EXISTS replicas (
  transport text NOT NULL,
  -- The broker keeps messages under this id. For a transport whose broker keeps nothing for one replica alone: the replica's name.
  client_id text NOT NULL,
  replica text NOT NULL,
  started_at timestamptz NOT NULL,
  -- No index has this column, so that a sign of life is a HOT update.
  seen_at timestamptz NOT NULL,
  -- Milliseconds for which the replica's oldest message was unsettled at seen_at. NULL: the replica has stopped in good order.
  oldest_unsettled double precision,
  -- What the broker's session has subscribed to. NULL: the broker keeps nothing for this replica alone.
  subscription text,
  -- The replica that takes the session over, and until when no other one may.
  adopter text,
  claimed_until timestamptz,
  PRIMARY KEY (transport, client_id)
) WITH (fillfactor = 50);

-- Down Migration
-- Drops replicas if it is empty.

DO $$
DECLARE
  holds_rows boolean;
BEGIN
  IF to_regclass('replicas') IS NULL THEN
    RETURN;
  END IF;
  LOCK TABLE replicas;
  SELECT EXISTS (SELECT FROM replicas) INTO holds_rows;
  IF NOT holds_rows THEN
    DROP TABLE replicas;
  END IF;
END
$$;
