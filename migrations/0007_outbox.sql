-- Up Migration
-- Creates the table notification_outbox, for notifications that wait to be published, and adds dead_letters.topic for those that never were.

-- IF NOT EXISTS: a rollback keeps a table that holds notifications.

-- One row a notification, written in the transaction of its message, deleted when the broker has it.
CREATE TABLE IF NOT EXISTS notification_outbox (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  transport text NOT NULL,
  topic text NOT NULL,
  -- The same if its message comes again, so that a listener recognizes a repetition.
  message_id text NOT NULL,
  -- The notifications of an instance are published in the order of id. NULL: it waits for no other.
  instance_id text,
  body bytea NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  attempts integer NOT NULL DEFAULT 0,
  -- No index has this column, so that a claim is a HOT update.
  next_attempt_at timestamptz NOT NULL DEFAULT now(),
  -- Why the last attempt failed.
  error text
) WITH (fillfactor = 80);
CREATE INDEX IF NOT EXISTS notification_outbox_transport ON notification_outbox (transport, id);
CREATE INDEX IF NOT EXISTS notification_outbox_instance ON notification_outbox (transport, instance_id, id);

-- Of a notification that was never published.
ALTER TABLE dead_letters ADD COLUMN IF NOT EXISTS topic text;

-- Down Migration
-- Drops notification_outbox and dead_letters.topic, each if its table is empty.

DO $$
DECLARE
  holds_rows boolean;
BEGIN
  IF to_regclass('notification_outbox') IS NOT NULL THEN
    LOCK TABLE notification_outbox;
    SELECT EXISTS (SELECT FROM notification_outbox) INTO holds_rows;
    IF NOT holds_rows THEN
      DROP TABLE notification_outbox;
    END IF;
  END IF;
  IF to_regclass('dead_letters') IS NOT NULL THEN
    LOCK TABLE dead_letters;
    SELECT EXISTS (SELECT FROM dead_letters) INTO holds_rows;
    IF NOT holds_rows THEN
      ALTER TABLE dead_letters DROP COLUMN IF EXISTS topic;
    END IF;
  END IF;
END
$$;
