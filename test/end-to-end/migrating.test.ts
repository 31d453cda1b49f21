import { randomUUID } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type ChannelModel, connect } from 'amqplib';
import test, { type ExecutionContext } from 'ava';
import { parse, stringify } from 'yaml';
import { run as migrate, troveDatabase } from '../migrate/support.ts';
import { runConductor } from '../support/conductor.ts';
import type { TestDatabase } from '../support/database.ts';
import { needs, service } from '../support/services.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { waitFor } from '../support/wait.ts';
import { insertInstances, statusOf } from '../support/worker.ts';

/** The commands of docs/migrating.md, one after the other, on a database as Trove leaves it. */

const path = (relative: string) => fileURLToPath(new URL(`../../${relative}`, import.meta.url));
const page = readFileSync(path('docs/migrating.md'), 'utf8');
const commands = [...page.matchAll(/^ *```sh\n([\s\S]*?)^ *```/gm)].flatMap(([, block = '']) =>
  block.trim().split(/\n */),
);

interface Vectors {
  readonly plain: ReadonlyArray<{ exchange: string; routing_key: string; body: string }>;
}
const vectors: Vectors = JSON.parse(readFileSync(path('test/fixtures/trove-18-oslo-14.json'), 'utf8'));
const instance = '9ce88802-f075-91e5-ce04-57ef51ece021';
const heartbeat = vectors.plain.find(({ body }) => body.includes('heartbeat'));

/** A virtual host with the exchange and the queue of Trove's conductor, which is stopped. */
async function troveBroker(t: ExecutionContext): Promise<{ url: string; connection: ChannelModel }> {
  const rabbitmq = service('rabbitmq');
  const vhost = `migrating-${randomUUID()}`;
  const url = await rabbitmq.createVhost(vhost);
  t.teardown(() => rabbitmq.deleteVhost(vhost));
  const connection = await connect(url);
  t.teardown(() => connection.close());
  const channel = await connection.createChannel();
  await channel.assertExchange('trove', 'topic', { durable: false });
  await channel.assertQueue('trove-conductor', { durable: false });
  await channel.bindQueue('trove-conductor', 'trove', 'trove-conductor');
  return { url, connection };
}

async function publishHeartbeat(connection: ChannelModel): Promise<void> {
  const channel = await connection.createConfirmChannel();
  channel.publish('trove', 'trove-conductor', Buffer.from(heartbeat?.body ?? ''));
  await channel.waitForConfirms();
}

/** config/amqp091.yaml with these addresses, and with the keys of `changes` in their places. */
function configurationFor(database: string, broker: string, changes: unknown = {}): string {
  const config: unknown = parse(readFileSync(path('config/amqp091.yaml'), 'utf8'));
  const own = { database: { url: database }, transports: { rabbit: { url: broker } } };
  const file = join(temporaryDirectory('migrating'), 'conductor.yaml');
  writeFileSync(file, stringify(merged(merged(config, own), changes)));
  return file;
}

function merged(base: unknown, over: unknown): unknown {
  if (!isMap(base) || !isMap(over)) return over;
  const entries = Object.entries(over).map(([key, value]) => [key, merged(base[key], value)]);
  return { ...base, ...Object.fromEntries(entries) };
}

const isMap = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const row = (database: TestDatabase) =>
  waitFor(() => statusOf(database, instance), { what: 'the heartbeat in Postgres' });

const lastSeen = (database: TestDatabase) =>
  database.query('SELECT sent FROM conductor_lastseen WHERE instance_id = $1 AND method_name = $2', [
    instance,
    'heartbeat',
  ]);

needs(
  test,
  'postgres',
  'rabbitmq',
)('a trial beside Trove, the move, and the way back', async (t) => {
  const { url, connection } = await troveBroker(t);
  const [database, copy] = [await troveDatabase(t), await troveDatabase(t)];
  for (const one of [database, copy]) await insertInstances(one, instance);
  const file = configurationFor(database.url, url);
  const run = async (beginning: string) => {
    const wanted = `conductor ${beginning}`;
    const command = commands.find((one) => one === wanted) ?? commands.find((one) => one.startsWith(wanted));
    if (command === undefined) throw new Error(`docs/migrating.md has no command ${beginning}`);
    const args = command.replace('conductor.yaml', file).split(' ').slice(1);
    const child = runConductor(t, args);
    if (beginning === 'start') {
      await child.log.line('consuming');
      return { code: null, stdout: '', stop: child.stop };
    }
    const { code } = await child.exited;
    return { code, stdout: child.stdout(), stop: child.stop };
  };

  const look = await run('doctor');
  t.is(look.code, 1);
  const wrong = look.stdout.split('\n').filter((line) => line.startsWith('wrong'));
  t.true(wrong.length > 0);
  for (const line of wrong) t.true(line.endsWith('[database-schema]'), line);
  const dry = await run('migrate --config conductor.yaml --dry-run');
  t.is(dry.code, 0);
  t.deepEqual(await database.query("SELECT FROM pg_class WHERE relname = 'dead_letters'"), []);

  // The trial: its queue and Trove's own get the message.
  const [, block = ''] = /^```yaml\n([\s\S]*?)^```/m.exec(page) ?? [];
  await migrate(copy);
  const trial = runConductor(t, ['start', '--config', configurationFor(copy.url, url, parse(block))]);
  await trial.log.line('consuming');
  await publishHeartbeat(connection);
  await row(copy);
  await trial.stop();
  t.deepEqual(await database.query('SELECT FROM service_statuses WHERE instance_id = $1', [instance]), []);

  t.is((await run('migrate --config conductor.yaml')).code, 0);
  const replica = await run('start');
  const { sent } = await row(database);
  const explained = await run('explain');
  t.is(explained.code, 0);
  t.regex(explained.stdout, new RegExp(`^${instance}.*: running`));
  t.regex((await run('dead list')).stdout, /^No dead letter matches/);

  t.regex((await run('deferred list')).stdout, /^No deferred message matches/);
  await replica.stop();
  t.deepEqual(await lastSeen(database), []);
  t.is((await run('migrate --config conductor.yaml --rollback')).code, 0);
  t.deepEqual(await lastSeen(database), [{ sent }]);
  t.deepEqual(
    await database.query(
      "SELECT FROM information_schema.columns WHERE table_name = 'service_statuses' AND column_name = 'sent'",
    ),
    [],
  );
});
