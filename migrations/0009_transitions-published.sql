-- Up Migration
-- Lets the triggers on service_statuses write a notification of each change of a status, for sessions with the setting conductor.publish.

-- In the transaction of the change, so both are there, or none. Only a change of a status comes here, so other heartbeats cost nothing.
DO $create$
BEGIN
  EXECUTE format($function$
    CREATE OR REPLACE FUNCTION conductor_record_status() RETURNS trigger LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $body$
    DECLARE
      before varchar(64);
      cause text := coalesce(nullif(current_setting('conductor.cause', true), ''), 'other');
      -- {"transport", "topic", "publisher"}. With a publisher the notification has the form of oslo.messaging.
      publish json := nullif(current_setting('conductor.publish', true), '')::json;
      happened timestamptz;
      id uuid;
      change json;
    BEGIN
      IF TG_OP = 'UPDATE' THEN
        before := old.status_description;
        -- Only a heartbeat moves the guard forward.
        IF new.sent > old.sent THEN cause := 'heartbeat'; END IF;
      ELSIF new.sent > '-infinity' THEN
        cause := 'heartbeat';
      END IF;
      INSERT INTO %1$I.status_transitions (instance_id, old_status, new_status, sent, cause)
      VALUES (new.instance_id, before, new.status_description, new.sent, cause) RETURNING changed_at INTO happened;
      IF publish IS NULL THEN
        RETURN new;
      END IF;
      id := gen_random_uuid();
      change := json_build_object(
        'event', 'instance.status', 'message_id', id, 'instance_id', new.instance_id, 'old_status', before,
        'new_status', new.status_description, 'sent', nullif(new.sent, '-infinity'), 'cause', cause,
        'changed_at', to_char(happened AT TIME ZONE 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'));
      IF publish ->> 'publisher' IS NOT NULL THEN
        change := json_build_object('oslo.version', '2.0', 'oslo.message', json_build_object(
          'message_id', id, 'publisher_id', publish ->> 'publisher', 'event_type', 'conductor.instance.status',
          'priority', 'INFO', 'payload', change, '_unique_id', replace(id::text, '-', ''),
          'timestamp', to_char(happened AT TIME ZONE 'utc', 'YYYY-MM-DD HH24:MI:SS.US'))::text);
      END IF;
      INSERT INTO %1$I.notification_outbox (transport, topic, message_id, instance_id, body)
      VALUES (publish ->> 'transport', publish ->> 'topic', id, new.instance_id, convert_to(change::text, 'UTF8'));
      RETURN new;
    END
    $body$
  $function$, (SELECT nspname FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
               WHERE pg_class.oid = 'status_transitions'::regclass));
END
$create$;

-- Down Migration
-- Changes nothing: the function goes with the triggers that call it.
