-- Up Migration
-- Creates the table status_transitions, and two triggers on service_statuses that write a row into it when a status changes.

-- IF NOT EXISTS: a rollback keeps a history that holds rows.

-- Bounded by the conductor's own clearing out, oldest first: in the order of id.
CREATE TABLE IF NOT EXISTS status_transitions (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  instance_id varchar(36) NOT NULL,
  -- NULL: the instance had no status.
  old_status varchar(64),
  new_status varchar(64) NOT NULL,
  -- The guard beside the new status: when the newest applied heartbeat was sent.
  sent double precision NOT NULL,
  changed_at timestamptz NOT NULL DEFAULT now(),
  -- heartbeat; what the writer calls itself by the setting conductor.cause; other: any other writer, such as Trove's own services.
  cause text NOT NULL
);
CREATE INDEX IF NOT EXISTS status_transitions_instance_id ON status_transitions (instance_id, id);
-- By it the sweep counts what it has marked in the last minute.
CREATE INDEX IF NOT EXISTS status_transitions_swept_at ON status_transitions (changed_at) WHERE cause = 'sweep';

-- A trigger sees the changes of every writer, and sees the old row under the row's lock. The conditions of the triggers below are
-- all that a heartbeat without a change costs.
-- SECURITY DEFINER: Trove's services may have a user of their own, which need not know our table. The table is named with its
-- schema, and the search path is fixed, so that no session can put a table of its own in the place of ours.
-- It sends no NOTIFY: Postgres commits transactions that notify one after the other.
DO $create$
BEGIN
  EXECUTE format($function$
    CREATE FUNCTION conductor_record_status() RETURNS trigger LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $body$
    DECLARE
      before varchar(64);
      cause text := coalesce(nullif(current_setting('conductor.cause', true), ''), 'other');
    BEGIN
      IF TG_OP = 'UPDATE' THEN
        before := old.status_description;
        -- Only a heartbeat moves the guard forward.
        IF new.sent > old.sent THEN cause := 'heartbeat'; END IF;
      ELSIF new.sent > '-infinity' THEN
        cause := 'heartbeat';
      END IF;
      INSERT INTO %I.status_transitions (instance_id, old_status, new_status, sent, cause)
      VALUES (new.instance_id, before, new.status_description, new.sent, cause);
      RETURN new;
    END
    $body$
  $function$, (SELECT nspname FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
               WHERE pg_class.oid = 'status_transitions'::regclass));
END
$create$;

-- BEFORE: the trigger of the guard has read the old row already. An AFTER trigger would read it once more for each heartbeat.
CREATE TRIGGER conductor_record_status BEFORE UPDATE ON service_statuses FOR EACH ROW
  WHEN (old.status_id IS DISTINCT FROM new.status_id) EXECUTE FUNCTION conductor_record_status();
-- AFTER: a BEFORE trigger would also fire for a row that exists already (ON CONFLICT).
CREATE TRIGGER conductor_record_new_status AFTER INSERT ON service_statuses FOR EACH ROW
  EXECUTE FUNCTION conductor_record_status();

-- Down Migration
-- Drops the triggers that record changes of status, and status_transitions if it is empty.

DROP TRIGGER IF EXISTS conductor_record_status ON service_statuses;
DROP TRIGGER IF EXISTS conductor_record_new_status ON service_statuses;
DROP FUNCTION IF EXISTS conductor_record_status();

DO $$
DECLARE
  holds_rows boolean;
BEGIN
  IF to_regclass('status_transitions') IS NULL THEN
    RETURN;
  END IF;
  LOCK TABLE status_transitions;
  SELECT EXISTS (SELECT FROM status_transitions) INTO holds_rows;
  IF NOT holds_rows THEN
    DROP TABLE status_transitions;
  END IF;
END
$$;
