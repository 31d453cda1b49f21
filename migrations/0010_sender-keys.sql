-- Up Migration
-- Creates the table sender_keys, for the keys by which senders sign their messages (auth.mode hmac).

-- IF NOT EXISTS: a rollback keeps a table that holds keys.

CREATE TABLE IF NOT EXISTS sender_keys (
  sender text NOT NULL,
  key_id text NOT NULL,
  -- AES-256-GCM under the master key (keys.masterKey): nonce, encrypted key, tag. The sender and the key id are authenticated.
  encrypted_key bytea NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  created_by text,
  -- From then on the key signs nothing. NULL: it has no end.
  not_after timestamptz,
  revoked_at timestamptz,
  -- The clock at the last change of the row. Replicas look for newer ones.
  changed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (sender, key_id)
);
CREATE INDEX IF NOT EXISTS sender_keys_changed_at ON sender_keys (changed_at);

-- Down Migration
-- Drops sender_keys if it is empty.

DO $$
DECLARE
  holds_rows boolean;
BEGIN
  IF to_regclass('sender_keys') IS NULL THEN
    RETURN;
  END IF;
  LOCK TABLE sender_keys;
  SELECT EXISTS (SELECT FROM sender_keys) INTO holds_rows;
  IF NOT holds_rows THEN
    DROP TABLE sender_keys;
  END IF;
END
$$;
