import { randomUUID } from 'node:crypto';
import test, { type ExecutionContext } from 'ava';
import { pino } from 'pino';
import { configureTransports } from '../../src/core/config/transports.ts';
import type { SenderSession } from '../../src/core/transport/sender.ts';
import { transportKinds } from '../../src/transports/index.ts';
import { startConductorHere } from '../support/conductor.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { startNats } from '../support/nats.ts';
import { encryptionKey, storeKey } from '../support/secure.ts';
import { needs, service } from '../support/services.ts';
import { masterKey, storeSenderKeys } from '../support/signed.ts';
import { waitFor } from '../support/wait.ts';
import { insertBackup, insertInstances, statusOf } from '../support/worker.ts';
import { attacksOn, backups, honest, keys, type Mode, reader, victim } from './attack-list.ts';

/** Attacks in each mode over each transport that has it: all are refused, and write nothing but their dead letters. */

type Kind = 'amqp091' | 'amqp10' | 'mqtt' | 'nats';
type Entry = Readonly<Record<string, unknown>>;

const kinds: Record<
  Kind,
  {
    readonly service: 'rabbitmq' | 'mosquitto' | 'nats';
    readonly modes: ReadonlyArray<Mode>;
    open(t: ExecutionContext): Promise<Entry>;
  }
> = {
  amqp091: {
    service: 'rabbitmq',
    modes: ['subject', 'user-id', 'trove', 'hmac'],
    open: async (t) => ({ kind: 'amqp091', url: await virtualHost(t) }),
  },
  amqp10: {
    service: 'rabbitmq',
    modes: ['user-id', 'hmac'],
    open: async (t) => {
      const url = await virtualHost(t);
      const vhost = new URL(url).pathname.slice(1);
      await service('rabbitmq').request('PUT', `/queues/${vhost}/conductor`, { durable: true });
      return { kind: 'amqp10', url };
    },
  },
  mqtt: {
    service: 'mosquitto',
    modes: ['subject', 'trove', 'hmac'],
    open: async () => {
      const name = `attacks-${randomUUID()}`;
      return { kind: 'mqtt', url: service('mosquitto').url, topic: `${name}/+`, group: name, clientId: name };
    },
  },
  nats: {
    service: 'nats',
    modes: ['subject', 'hmac'],
    open: async (t) => {
      const nats = await startNats();
      t.teardown(nats.stop);
      return { kind: 'nats', url: nats.url };
    },
  },
};

async function virtualHost(t: ExecutionContext): Promise<string> {
  const rabbitmq = service('rabbitmq');
  // The name of the user too, and so with mode user-id the id of the instance.
  const vhost = `attacks-${randomUUID().slice(0, 13)}`;
  const url = await rabbitmq.createVhost(vhost);
  t.teardown(() => rabbitmq.deleteVhost(vhost));
  return url;
}

async function prepare(t: ExecutionContext): Promise<TestDatabase> {
  const database = await createDatabase(t, { migrated: true });
  await insertInstances(database, 'own', victim);
  await insertBackup(database, backups.own, 'own');
  await insertBackup(database, backups.victim, victim);
  for (const id of ['own', victim]) await storeKey(database, id, `key-${id}`);
  await storeSenderKeys(database, ...Object.values(keys));
  await database.query("UPDATE sender_keys SET revoked_at = now() WHERE key_id = 'revoked'");
  await database.query("UPDATE sender_keys SET not_after = now() WHERE key_id = 'ended'");
  return database;
}

async function connectSender(t: ExecutionContext, entry: Entry): Promise<SenderSession> {
  const [configured] = configureTransports({ sender: entry }, transportKinds);
  if (configured === undefined) throw new Error('one transport was configured');
  const logger = pino({ level: 'silent' });
  const session = await configured.createSender({ clientName: 'attacker', logger }).connect(() => {});
  t.teardown(() => session.stop(AbortSignal.timeout(2000)));
  return session;
}

/** Everything that a message could have written, dead letters left out. */
const written = (database: TestDatabase) =>
  Promise.all(
    [
      'instances',
      'backups',
      'service_statuses',
      'root_enabled_history',
      'deferred',
      'call_results',
      'notification_outbox',
    ].map((table) =>
      database.query(`SELECT * FROM ${table} ORDER BY id`.replace('deferred ORDER BY id', 'deferred')),
    ),
  );

for (const [kind, { service: needed, modes, open }] of Object.entries(kinds)) {
  for (const mode of modes) {
    needs(
      test,
      needed,
      'postgres',
    )(`no attack over ${kind} gets past ${mode}`, async (t) => {
      const database = await prepare(t);
      const opened = await open(t);
      const own = mode === 'user-id' ? new URL(String(opened.url)).username : 'own';
      if (own !== 'own') await insertInstances(database, own);
      const entry = {
        ...opened,
        codec: mode === 'trove' ? 'oslo' : 'native',
        auth: { mode, ...(mode === 'trove' && { instRpcKeyEncrKey: encryptionKey }) },
      };
      const conductor = await startConductorHere(t, {
        database: database.url,
        transports: { broker: entry },
        settings: {
          keys: { masterKey },
          models: { instance: { table: 'instances' } },
          services: { [reader]: { methods: ['model_list'], models: { instance: { read: ['name'] } } } },
        },
      });
      const before = await written(database);
      const session = await connectSender(t, entry);
      const attacks = attacksOn(mode, own);
      for (const { what, sender, body } of attacks)
        await session.send({
          sender,
          messageId: what,
          body: body(session.replyTo ?? 'nowhere'),
          expectsReply: true,
        });
      const letters = () =>
        database.query<{ message_id: string; reason: string }>(
          'SELECT message_id, reason FROM dead_letters ORDER BY id',
        );
      await waitFor(async () => (await letters()).length >= attacks.length, { what: 'the dead letters' });
      t.deepEqual(
        (await letters()).map(({ reason }) => reason).toSorted(),
        attacks.map(({ reason }) => reason).toSorted(),
      );
      t.deepEqual(await written(database), before);
      await session.send({ sender: own, messageId: 'honest', body: honest(mode, own) });
      await waitFor(() => statusOf(database, own), { what: 'the honest heartbeat' });
      t.is(await statusOf(database, victim), undefined);
      // The dead letter of a call is in the table before the call is counted: its answer is published in between.
      const counters = conductor.counters.get('broker');
      await waitFor(() => counters?.held === 0, { what: 'the calls to be settled' });
      t.is(counters?.outcomes.dead, attacks.length);
    });
  }
}
