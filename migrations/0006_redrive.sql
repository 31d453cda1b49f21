-- Up Migration
-- Adds to dead_letters what a redrive needs: an edited body, who asked for it and when, its outcome, and how the sender was proven.

ALTER TABLE dead_letters
  -- How the transport proved the sender. NULL: it did not.
  ADD COLUMN IF NOT EXISTS sender_proof text,
  -- The compression of the body, as its sender named it. NULL: none.
  ADD COLUMN IF NOT EXISTS compression text,
  ADD COLUMN IF NOT EXISTS is_call boolean NOT NULL DEFAULT false,
  -- It died in `deferred`. Its body is made of its arguments, and its sender was checked when it was deferred.
  ADD COLUMN IF NOT EXISTS was_deferred boolean NOT NULL DEFAULT false,
  -- Values were taken out of the body, or the whole body.
  ADD COLUMN IF NOT EXISTS redacted boolean NOT NULL DEFAULT false,
  -- NULL: the row is one message. Otherwise it counts messages of a flood that were not kept.
  ADD COLUMN IF NOT EXISTS counted integer,
  -- It is redriven in place of the body.
  ADD COLUMN IF NOT EXISTS edited_body bytea,
  ADD COLUMN IF NOT EXISTS edited_by text,
  ADD COLUMN IF NOT EXISTS edited_at timestamptz,
  -- When the redrive is due. NULL: nobody has asked for one.
  ADD COLUMN IF NOT EXISTS redrive_at timestamptz,
  ADD COLUMN IF NOT EXISTS redrive_by text,
  ADD COLUMN IF NOT EXISTS redriven_at timestamptz,
  ADD COLUMN IF NOT EXISTS redrive_outcome text,
  ADD COLUMN IF NOT EXISTS redrives integer NOT NULL DEFAULT 0;

CREATE INDEX IF NOT EXISTS dead_letters_redrive_at ON dead_letters (transport, redrive_at)
  WHERE redrive_at IS NOT NULL AND redriven_at IS NULL;
CREATE INDEX IF NOT EXISTS dead_letters_counted ON dead_letters (transport, reason, sender) WHERE counted IS NOT NULL;

-- Down Migration
-- Drops what it added to dead_letters, if that table is empty.

-- A row may hold an edited body or a count. A column that stays does not disturb an earlier release: its rows take the default.
DO $$
BEGIN
  IF to_regclass('dead_letters') IS NULL THEN
    RETURN;
  END IF;
  LOCK TABLE dead_letters;
  IF EXISTS (SELECT FROM dead_letters) THEN
    RETURN;
  END IF;
  DROP INDEX IF EXISTS dead_letters_redrive_at, dead_letters_counted;
  ALTER TABLE dead_letters
    DROP COLUMN IF EXISTS sender_proof,
    DROP COLUMN IF EXISTS compression,
    DROP COLUMN IF EXISTS is_call,
    DROP COLUMN IF EXISTS was_deferred,
    DROP COLUMN IF EXISTS redacted,
    DROP COLUMN IF EXISTS counted,
    DROP COLUMN IF EXISTS edited_body,
    DROP COLUMN IF EXISTS edited_by,
    DROP COLUMN IF EXISTS edited_at,
    DROP COLUMN IF EXISTS redrive_at,
    DROP COLUMN IF EXISTS redrive_by,
    DROP COLUMN IF EXISTS redriven_at,
    DROP COLUMN IF EXISTS redrive_outcome,
    DROP COLUMN IF EXISTS redrives;
END
$$;
