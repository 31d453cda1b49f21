-- Up Migration
-- Creates the tables dead_letters and deferred, for messages that can never or not yet be applied.

-- IF NOT EXISTS: a rollback keeps what holds messages.

-- Bounded by the conductor's own clearing out, oldest first, for which it is indexed.
CREATE TABLE IF NOT EXISTS dead_letters (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  died_at timestamptz NOT NULL DEFAULT now(),
  transport text NOT NULL,
  reason text NOT NULL,
  detail text,
  method text,
  instance_id text,
  message_id text,
  sender text,
  -- The body or its beginning, NULL where even that was refused; its full size and SHA-256 digest.
  body bytea,
  body_size integer NOT NULL,
  body_digest bytea NOT NULL
);
CREATE INDEX IF NOT EXISTS dead_letters_died_at ON dead_letters (died_at);

-- The newest message per method and key (the instance, or the instance and the backup) that waits to be tried again.
CREATE TABLE IF NOT EXISTS deferred (
  method text NOT NULL,
  key text NOT NULL,
  instance_id text NOT NULL,
  transport text NOT NULL,
  args jsonb NOT NULL,
  sent double precision NOT NULL DEFAULT '-infinity',
  reason text NOT NULL,
  attempts integer NOT NULL DEFAULT 1,
  first_deferred_at timestamptz NOT NULL DEFAULT now(),
  next_attempt_at timestamptz NOT NULL,
  PRIMARY KEY (method, key)
);
CREATE INDEX IF NOT EXISTS deferred_next_attempt_at ON deferred (next_attempt_at);

-- Down Migration
-- Drops dead_letters and deferred, each if it is empty.

DO $$
DECLARE
  name text;
  holds_rows boolean;
BEGIN
  FOREACH name IN ARRAY ARRAY['dead_letters', 'deferred'] LOOP
    CONTINUE WHEN to_regclass(name) IS NULL;
    EXECUTE format('LOCK TABLE %I', name);
    EXECUTE format('SELECT EXISTS (SELECT FROM %I)', name) INTO holds_rows;
    IF NOT holds_rows THEN
      EXECUTE format('DROP TABLE %I', name);
    END IF;
  END LOOP;
END
$$;
