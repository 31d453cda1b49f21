/** Statements that fill the tables for the status page. */

/** Guests of several statuses; some are silent. */
export const thousand = [
  `INSERT INTO instances (id, name, created, deleted)
   SELECT format('guest-%s', n), format('database %s', n), now() AT TIME ZONE 'utc' - interval '3 days', false FROM generate_series(1, 1000) AS n`,
  `INSERT INTO service_statuses (id, instance_id, status_id, status_description, updated_at, sent)
   SELECT id, id,
     CASE WHEN n % 50 = 0 THEN 22 WHEN n % 61 = 0 THEN 9 WHEN n % 90 = 0 THEN 24 WHEN n % 7 = 0 THEN 1 ELSE 33 END,
     CASE WHEN n % 50 = 0 THEN 'unknown' WHEN n % 61 = 0 THEN 'building' WHEN n % 90 = 0 THEN 'guestagent error' WHEN n % 7 = 0 THEN 'running' ELSE 'healthy' END,
     now() AT TIME ZONE 'utc' - CASE WHEN n % 50 = 0 THEN n * interval '10 s' WHEN n % 101 = 0 THEN interval '3 min' ELSE interval '5 s' END,
     extract(epoch FROM now()) - 5
   FROM (SELECT id, substr(id, 7)::integer AS n FROM instances) AS guests`,
  'TRUNCATE status_transitions',
  `INSERT INTO status_transitions (instance_id, old_status, new_status, sent, changed_at, cause)
   SELECT format('guest-%s', n * 50), 'healthy', 'unknown', 0, now() - (20 - n) * interval '11 s', 'sweep' FROM generate_series(1, 20) AS n`,
  `INSERT INTO deferred (method, key, instance_id, transport, args, reason, next_attempt_at)
   SELECT 'heartbeat', 'new-' || n, 'new-' || n, 'edge', '{}', 'unknown', now() + interval '1 h' FROM generate_series(1, 12) AS n`,
];

/** Two that are silent for ten minutes: one has stopped in order, one was lost. Both left a session at the broker. */
export const silentReplicas = `
INSERT INTO replicas (transport, client_id, replica, started_at, seen_at, oldest_unsettled, subscription)
SELECT 'edge', name, name, now() - interval '1 day', now() - interval '10 minutes', oldest, 'conductor/+'
FROM (VALUES ('ended', NULL::double precision), ('lost', 7)) AS rows (name, oldest)`;

/** The newest one was redriven in vain. */
export const failedRedrive = `
UPDATE dead_letters SET redrives = 1, redriven_at = now(), redrive_by = 'ann', redrive_outcome = 'dead'
WHERE instance_id = 'guest-60'`;

export const letters = `
INSERT INTO dead_letters (died_at, transport, reason, detail, method, instance_id, sender, sender_proof, body, body_size, body_digest)
SELECT now() - n * interval '1 min', 'edge', 'bad_argument', 'payload.service_status: must be a text, not number', 'heartbeat', 'guest-' || n, 'guest-' || n,
  'topic', convert_to(body, 'UTF8'), length(body), sha256(convert_to(body, 'UTF8'))
FROM (SELECT n, format('{"method":"heartbeat","args":{"instance_id":"guest-%s","payload":{"service_status":7},"sent":1}}', n) AS body
  FROM generate_series(1, 60) AS n) AS made`;
