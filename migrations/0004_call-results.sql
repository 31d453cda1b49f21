-- Up Migration
-- Creates the table call_results, for the answers to calls that changed something.

-- IF NOT EXISTS: a rollback keeps what holds answers.

-- One row a call, written in the call's own transaction: who repeats a call gets its answer, and nothing is done again.
-- Bounded by the conductor's own clearing out, oldest first: in the order of id.
CREATE TABLE IF NOT EXISTS call_results (
  id bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
  principal text NOT NULL,
  message_id text NOT NULL,
  -- SHA-256 of method and arguments.
  call_digest bytea NOT NULL,
  -- JSON; NULL only inside the call's transaction.
  result text,
  called_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (principal, message_id)
);

-- Down Migration
-- Drops call_results if it is empty.

DO $$
DECLARE
  holds_rows boolean;
BEGIN
  IF to_regclass('call_results') IS NULL THEN
    RETURN;
  END IF;
  LOCK TABLE call_results;
  SELECT EXISTS (SELECT FROM call_results) INTO holds_rows;
  IF NOT holds_rows THEN
    DROP TABLE call_results;
  END IF;
END
$$;
