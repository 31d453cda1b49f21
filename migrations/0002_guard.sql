-- Up Migration
-- Adds to service_statuses and backups a column sent, seeded from conductor_lastseen where Trove has kept one, and a
-- trigger that keeps it from being set back; sets the fillfactor of service_statuses to 60.

-- When the newest applied message was sent, in seconds since the epoch. NOT NULL, for a NULL would refuse every message:
-- "sent > NULL" is never true. The constant default makes both statements instant, whatever the tables' size.
ALTER TABLE service_statuses ADD COLUMN sent double precision NOT NULL DEFAULT '-infinity';
ALTER TABLE backups ADD COLUMN sent double precision NOT NULL DEFAULT '-infinity';

-- Every heartbeat updates its row. Room on the page lets the new version stay there and the indexes alone (HOT).
ALTER TABLE service_statuses SET (fillfactor = 60);

-- The heartbeat's guard is per instance, there as here. The backups' is per instance there and per backup here, so it does
-- not say which backup the newest message was about. A backup that has ended takes it: whatever was sent before that can
-- only be older news of it. One that still runs starts unguarded: seeded, it would refuse a message that is waiting
-- in the queue and was sent before the newest about another backup, and so might run for ever.
DO $$
BEGIN
  IF to_regclass('conductor_lastseen') IS NULL THEN
    RETURN;
  END IF;

  UPDATE service_statuses SET sent = seen.sent
  FROM conductor_lastseen seen
  WHERE seen.instance_id = service_statuses.instance_id AND seen.method_name = 'heartbeat' AND seen.sent IS NOT NULL;

  UPDATE backups SET sent = seen.sent
  FROM conductor_lastseen seen
  WHERE seen.instance_id = backups.instance_id AND seen.method_name = 'update_backup' AND seen.sent IS NOT NULL
    AND backups.state IN ('COMPLETED', 'FAILED', 'DELETE_FAILED', 'RESTORED');
END
$$;

-- Trove's own services write back every column that they once loaded, this one too. A lower value is therefore
-- ignored, with one exception: a stored time of more than 60 s in the future guards nothing (a guest's clock ran ahead
-- once), and the next message about the row sets it right, which is a lower value. A write-back can then pass as well;
-- it loses nothing, for what it replaces was guarding nothing. now() is when the transaction began, so never later than
-- the clock that the message's own statement read: whatever the statement lets through passes here.
CREATE FUNCTION conductor_keep_sent() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  new.sent := old.sent;
  RETURN new;
END
$$;
CREATE TRIGGER conductor_keep_sent BEFORE UPDATE ON service_statuses FOR EACH ROW
  WHEN (new.sent < old.sent AND old.sent <= extract(epoch FROM now())::double precision + 60)
  EXECUTE FUNCTION conductor_keep_sent();
CREATE TRIGGER conductor_keep_sent BEFORE UPDATE ON backups FOR EACH ROW
  WHEN (new.sent < old.sent AND old.sent <= extract(epoch FROM now())::double precision + 60)
  EXECUTE FUNCTION conductor_keep_sent();

-- Down Migration
-- Writes the column sent back to conductor_lastseen where Trove has that table, then removes the column and the trigger
-- from service_statuses and backups, with the unique index and the fillfactor of service_statuses.

-- Trove mutes a guest until the stored time is overtaken: one further in the future than guards here goes back as that limit.
-- The newest of an instance's backups stands for them all, never less than what is there: the seed left running ones out.
DO $$
BEGIN
  IF to_regclass('conductor_lastseen') IS NULL THEN
    RETURN;
  END IF;

  INSERT INTO conductor_lastseen AS seen (instance_id, method_name, sent)
  SELECT instance_id, 'heartbeat', max(least(sent, extract(epoch FROM now())::double precision + 60))
  FROM service_statuses WHERE sent > '-infinity' GROUP BY instance_id
  ON CONFLICT (instance_id, method_name) DO UPDATE SET sent = excluded.sent;

  INSERT INTO conductor_lastseen AS seen (instance_id, method_name, sent)
  SELECT instance_id, 'update_backup', max(least(sent, extract(epoch FROM now())::double precision + 60))
  FROM backups WHERE sent > '-infinity' AND instance_id IS NOT NULL GROUP BY instance_id
  ON CONFLICT (instance_id, method_name) DO UPDATE SET sent = greatest(seen.sent, excluded.sent);
END
$$;

DROP TRIGGER IF EXISTS conductor_keep_sent ON service_statuses;
DROP TRIGGER IF EXISTS conductor_keep_sent ON backups;
DROP FUNCTION IF EXISTS conductor_keep_sent();
ALTER TABLE service_statuses DROP COLUMN sent;
ALTER TABLE backups DROP COLUMN sent;
ALTER TABLE service_statuses RESET (fillfactor);
-- Built by conductor migrate itself, concurrently, which no migration file can.
DROP INDEX IF EXISTS service_statuses_instance_id_unique;
