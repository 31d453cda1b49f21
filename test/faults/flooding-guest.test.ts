import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import ava, { type ExecutionContext } from 'ava';
import mqtt, { type MqttClient } from 'mqtt';
import { type SenderKey, senderKeyText } from '../../src/core/message/sender-key.ts';
import { type ConductorProcess, startConductorProcess } from '../support/conductor.ts';
import { createDatabase, replicaUrl, type TestDatabase } from '../support/database.ts';
import { startProcess } from '../support/processes.ts';
import { needs, service } from '../support/services.ts';
import { heartbeatMessage, keyOf, masterKey, signedBy, storeSenderKeys } from '../support/signed.ts';
import { waitFor } from '../support/wait.ts';
import { insertInstances } from '../support/worker.ts';

/** A guest that sends 50 times as much as all others together: the others hardly notice it, and nothing grows with it. */

const test = needs(ava.serial, 'mosquitto', 'postgres');

const guests = Array.from({ length: 20 }, (_, index) => `calm-${index}`);
/** Milliseconds between two heartbeats of a guest, and of one measurement. */
const interval = 1000;
const span = 5000;
/** Messages a second of the flooding guest. */
const floodRate = 50 * guests.length * (1000 / interval);

const quotas = { perSecond: 10, burst: 50 };
const perSender = 20;

/** Milliseconds that a heartbeat of a calm guest may take at most. */
const most = 1000;

interface Flood {
  readonly bodies: readonly string[];
  /** The key that the flooding guest signs with. Then the transport takes signed messages only. */
  readonly key?: SenderKey;
}

const goodMessages = [
  {
    method: 'heartbeat',
    args: { instance_id: 'loud', sent: 'NOW', payload: { service_status: 'running' } },
  },
  { method: 'heartbeat', args: { instance_id: 'loud', sent: 'NOW', payload: {} } },
  // Of a backup that does not exist: a row in `deferred` for each.
  {
    method: 'update_backup',
    args: { instance_id: 'loud', backup_id: 'b-NUMBER', sent: 'NOW', state: 'NEW' },
  },
].map((message) => JSON.stringify(message));

/** A heartbeat that says of another guest what is not true. */
const untrue =
  '{"method":"heartbeat","args":{"instance_id":"calm-1","sent":"NOW","payload":{"service_status":"crashed"}}}';

const floods: Readonly<Record<string, Flood>> = {
  'good messages': { bodies: goodMessages },
  poison: {
    bodies: [
      'no JSON NUMBER',
      '{}',
      '{"method":"model_delete","args":{}}',
      '{"method":"none-NUMBER","args":{}}',
      untrue,
      '{"method":"heartbeat","args":{"instance_id":"loud","sent":"x","payload":{"service_status":"NUMBER"}}}',
      `${'['.repeat(5000)}`,
    ],
  },
  'good messages that it signs': { bodies: goodMessages, key: keyOf('loud') },
  'wrong signatures in the name of another guest': {
    bodies: [untrue],
    key: { ...keyOf('calm-1'), secret: Buffer.alloc(32, 'guessed') },
  },
};

interface Setting {
  readonly database: TestDatabase;
  readonly conductor: ConductorProcess;
  readonly client: MqttClient;
  readonly url: string;
  readonly name: string;
  /** Whether guests sign. */
  readonly signs: boolean;
}

async function start(t: ExecutionContext, signs: boolean): Promise<Setting> {
  const database = await createDatabase(t, { migrated: true });
  await insertInstances(database, 'loud', ...guests);
  await storeSenderKeys(database, ...['loud', ...guests].map((guest) => keyOf(guest)));
  await database.query(`
    CREATE TABLE latencies (instance_id text, sent double precision, milliseconds double precision);
    CREATE FUNCTION keep_latency() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
    BEGIN
      INSERT INTO latencies VALUES (new.instance_id, new.sent, (extract(epoch FROM clock_timestamp()) - new.sent) * 1000);
      RETURN NULL;
    END $$;
    CREATE TRIGGER keep_latency AFTER INSERT OR UPDATE ON service_statuses FOR EACH ROW EXECUTE FUNCTION keep_latency()`);
  const { url } = service('mosquitto');
  const name = `flooding-${randomUUID()}`;
  const edge = {
    kind: 'mqtt',
    url,
    topic: `${name}/+`,
    group: name,
    clientId: name,
    auth: { mode: signs ? 'hmac' : 'subject' },
  };
  const conductor = await startConductorProcess(t, {
    database: replicaUrl(database.url),
    transports: { edge },
    settings: { workers: { threads: 1 }, quotas, deadLetters: { perSender }, keys: { masterKey } },
  });
  const client = await mqtt.connectAsync(url);
  t.teardown(() => client.endAsync());
  return { database, conductor, client, url, name, signs };
}

/** The heartbeats of the calm guests for a while. Resolves with their 99th percentile, from sending to the statement, in milliseconds. */
async function measure({ client, database, name, signs }: Setting): Promise<number> {
  const first = Date.now() / 1000;
  const newest = new Map<string, number>();
  const end = performance.now() + span;
  while (performance.now() < end) {
    for (const guest of guests) {
      const sent = Date.now() / 1000;
      newest.set(guest, sent);
      const message = heartbeatMessage(guest, sent);
      const body = signs ? signedBy(keyOf(guest), message) : JSON.stringify(message);
      client.publish(`${name}/${guest}`, body, { qos: 1 });
      await sleep(interval / guests.length);
    }
  }
  const [ids, sents] = [[...newest.keys()], [...newest.values()]];
  await waitFor(
    async () => {
      const rows = await database.query(
        `SELECT FROM unnest($1::text[], $2::double precision[]) AS last(id, sent)
         JOIN service_statuses AS stored ON stored.instance_id = last.id AND stored.sent = last.sent`,
        [ids, sents],
      );
      return rows.length === guests.length;
    },
    { what: 'the last heartbeat of each calm guest', timeout: 30_000 },
  );
  const [row] = await database.query<{ p99: number }>(
    `SELECT percentile_cont(0.99) WITHIN GROUP (ORDER BY milliseconds) AS p99 FROM latencies
     WHERE instance_id <> 'loud' AND sent >= $1`,
    [first],
  );
  return row?.p99 ?? Number.POSITIVE_INFINITY;
}

for (const [what, { bodies, key }] of Object.entries(floods))
  test(`a guest that floods with ${what} holds up no other guest, and what is kept of it is bounded`, async (t) => {
    const setting = await start(t, key !== undefined);
    const { database, conductor, url, name } = setting;
    await measure(setting);
    const before = await measure(setting);
    const flooder = startProcess(process.execPath, [
      fileURLToPath(new URL('./programs/flooder.ts', import.meta.url)),
      ...[url, `${name}/loud`, String(floodRate), JSON.stringify(bodies), key ? senderKeyText(key) : ''],
    ]);
    t.teardown(flooder.kill);
    // Its start is a load of the machine, not of the conductor.
    await measure(setting);
    const during = await measure(setting);
    await flooder.kill();
    const [counts] = await database.query<{ letters: number; counted: number; deferred: number }>(
      `SELECT (SELECT count(*)::int FROM dead_letters WHERE counted IS NULL) AS letters,
         (SELECT coalesce(sum(counted), 0)::int FROM dead_letters) AS counted,
         (SELECT count(*)::int FROM deferred) AS deferred`,
    );
    const lines = conductor.log.all().length;
    t.log({
      'p99 before, ms': Math.round(before),
      'p99 during, ms': Math.round(during),
      ...counts,
      'log lines': lines,
    });
    // The figures above depend on the other work of the machine. Behind the flood a guest would wait for the whole of it.
    t.true(during < most, `${Math.round(during)} ms`);
    // Of each reason; a flood may reach from one minute into the next.
    t.true((counts?.letters ?? 0) <= 2 * 6 * perSender);
    const seconds = (span / 1000) * 3;
    t.true((counts?.deferred ?? 0) <= quotas.burst + quotas.perSecond * (10 + seconds) + 1);
    t.true((counts?.letters ?? 0) + (counts?.counted ?? 0) > 500, 'the flood has arrived');
    t.true(lines < 200, `${lines} lines`);
    t.is(
      (await database.query("SELECT FROM service_statuses WHERE status_description = 'crashed'")).length,
      0,
    );
  });
