import { createHash, randomUUID } from 'node:crypto';
import test, { type ExecutionContext } from 'ava';
import { openMosquitto, openRabbitmq, type TestBroker } from '../faults/brokers.ts';
import { Fleet } from '../faults/fleet.ts';
import { startConductorHere } from '../support/conductor.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { needs, service } from '../support/services.ts';
import { waitFor } from '../support/wait.ts';
import { type BadMessage, badNativeMessages, badOsloMessages, type Subjects } from './bad-messages.ts';

/** Bytes of a dead letter's body that are kept. */
const keptBody = 64 * 1024;

needs(
  test.serial,
  'rabbitmq',
  'postgres',
)(
  'AMQP 0-9-1, native form: each bad message becomes a dead letter with its reason, and affects no other message',
  async (t) => {
    await endsAsDeadLetters(t, await openRabbitmq(t, service('rabbitmq'), 'native'), badNativeMessages);
  },
);

needs(
  test.serial,
  'rabbitmq',
  'postgres',
)(
  'AMQP 0-9-1, oslo form: each bad message becomes a dead letter with its reason, and affects no other message',
  async (t) => {
    await endsAsDeadLetters(t, await openRabbitmq(t, service('rabbitmq'), 'oslo'), badOsloMessages);
  },
);

needs(
  test.serial,
  'mosquitto',
  'postgres',
)(
  'MQTT 5, native form: each bad message becomes a dead letter with its reason, and affects no other message',
  async (t) => {
    await endsAsDeadLetters(t, openMosquitto(service('mosquitto')), badNativeMessages);
  },
);

async function endsAsDeadLetters(
  t: ExecutionContext,
  broker: TestBroker,
  messagesOf: (subjects: Subjects) => BadMessage[],
): Promise<void> {
  const database = await createDatabase(t, { migrated: true });
  // Its heartbeats stand between the bad messages.
  const fleet = new Fleet(50);
  await fleet.register(database);
  const bad = messagesOf(await registerSubjects(database));
  const conductor = await startConductorHere(t, {
    database: database.url,
    transports: { guests: broker.entry() },
    // Less than the huge ones have together.
    settings: { maxInFlightBytes: 32 * 1024 * 1024, deadLetters: { perSender: 1000 } },
  });
  const good = fleet.heartbeats(bad.length, broker.form);
  await broker.publish(bad.flatMap((message, index) => [message, ...good.slice(index, index + 1)]));

  await waitFor(async () => (await lettersOf(database)).size === bad.length, {
    what: 'a dead letter of each bad message',
  });
  const letters = await lettersOf(database);
  for (const { what, body, reason, detail } of bad) {
    const letter = letters.get(digestOf(body));
    t.like(letter, { reason, size: body.length, kept: Math.min(body.length, keptBody) }, what);
    t.regex(letter?.detail ?? '', detail, what);
  }
  await fleet.arrives(database);
  await broker.publish(fleet.heartbeats(fleet.instances.length, broker.form));
  await fleet.arrives(database);

  await conductor.stop();
  const account = conductor.counters.get('guests');
  t.is(account?.unexplained, 0);
  t.like(account, { held: 0, heldBytes: 0, received: 2 * bad.length + fleet.instances.length });
  t.is(account?.outcomes.dead, bad.length);
  t.deepEqual(account?.deadBy, countReasons(bad));
  t.true(await broker.isEmptied());
}

/** An instance, another one, and a backup of that. */
async function registerSubjects(database: TestDatabase): Promise<Subjects> {
  const subjects = { instance: randomUUID(), otherInstance: randomUUID(), otherBackup: randomUUID() };
  await database.query(
    "INSERT INTO instances (id, name, deleted) SELECT id, 'a guest', false FROM unnest($1::text[]) AS id",
    [[subjects.instance, subjects.otherInstance]],
  );
  await database.query(
    "INSERT INTO backups (id, name, state, instance_id, deleted) VALUES ($1, 'nightly', 'BUILDING', $2, false)",
    [subjects.otherBackup, subjects.otherInstance],
  );
  return subjects;
}

interface Letter extends Record<string, unknown> {
  readonly digest: string;
  readonly reason: string;
  readonly detail: string;
  readonly size: number;
  /** Bytes of the body that are kept. */
  readonly kept: number;
}

async function lettersOf(database: TestDatabase): Promise<ReadonlyMap<string, Letter>> {
  const letters = await database.query<Letter>(
    `SELECT encode(body_digest, 'hex') AS digest, reason, detail, body_size AS size, length(body) AS kept FROM dead_letters`,
  );
  return new Map(letters.map((letter) => [letter.digest, letter]));
}

function digestOf(body: Uint8Array): string {
  return createHash('sha256').update(body).digest('hex');
}

function countReasons(bad: ReadonlyArray<BadMessage>): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { reason } of bad) counts[reason] = (counts[reason] ?? 0) + 1;
  return counts;
}
