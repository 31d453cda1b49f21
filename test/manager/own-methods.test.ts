import { randomUUID } from 'node:crypto';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { connect } from 'amqplib';
import test from 'ava';
import { loadManager } from '../../src/workers/methods/load.ts';
import { configuration, run, runHere } from '../command-line/support.ts';
import { startConductorProcess } from '../support/conductor.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { buildPackage, installedBeside } from '../support/package.ts';
import { needs, service } from '../support/services.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { waitFor } from '../support/wait.ts';
import { apply, insertInstances, native, openContext } from '../support/worker.ts';

/** Methods of a deployer's own: the example, as a deployer runs it. */

const example = fileURLToPath(new URL('../../examples/manager/', import.meta.url));

async function createTables(database: TestDatabase): Promise<void> {
  await database.query(readFileSync(join(example, 'tables.sql'), 'utf8'));
}

needs(
  test,
  'rabbitmq',
  'postgres',
)(
  "the example's methods report disks, take notes and answer, beside our own methods, in the built package",
  async (t) => {
    const built = await buildPackage();
    const folder = installedBeside(built);
    copyFileSync(join(example, 'disk-usage.ts'), join(folder, 'disk-usage.ts'));
    const database = await createDatabase(t, { migrated: true });
    await createTables(database);
    await insertInstances(database, 'i-1', 'i-2');
    const broker = service('rabbitmq');
    const vhost = `manager-${randomUUID()}`;
    const url = await broker.createVhost(vhost);
    t.teardown(() => broker.deleteVhost(vhost));
    await startConductorProcess(t, {
      database: database.url,
      transports: { rabbit: { kind: 'amqp091', url } },
      settings: { manager: './disk-usage.ts' },
      folder,
      main: join(built, 'dist', 'main.js'),
    });
    const connection = await connect(url);
    t.teardown(() => connection.close());
    const channel = await connection.createConfirmChannel();
    const cast = async (method: string, args: object) => {
      channel.publish('conductor', 'conductor.any', Buffer.from(JSON.stringify({ method, args })));
      await channel.waitForConfirms();
    };
    await cast('report_disk', { instance_id: 'i-1', sent: 2, used_bytes: 200 });
    await cast('report_disk', { instance_id: 'i-1', sent: 1, used_bytes: 100 });
    await cast('report_disk', { instance_id: 'i-2', sent: 1, used_bytes: 50 });
    await cast('note', { instance_id: 'i-1', text: 'filling up' });
    await cast('heartbeat', { instance_id: 'i-1', sent: 1, payload: { service_status: 'running' } });
    await waitFor(async () => (await database.query('SELECT FROM service_statuses')).length === 1, {
      what: 'the heartbeat',
    });
    await waitFor(async () => (await database.query('SELECT FROM notes')).length === 1, { what: 'the note' });
    await waitFor(async () => (await database.query('SELECT FROM disk_usage')).length === 2, {
      what: 'the disks',
    });

    const { queue } = await channel.assertQueue('', { exclusive: true });
    const answers: string[] = [];
    await channel.consume(queue, (message) => answers.push(message?.content.toString() ?? ''), {
      noAck: true,
    });
    const call = (instance: string) =>
      channel.publish(
        'conductor',
        'conductor.any',
        Buffer.from(JSON.stringify({ method: 'disk_usage_of', args: { instance_id: instance } })),
        { replyTo: queue },
      );
    call('i-1');
    t.deepEqual(JSON.parse(await waitFor(() => answers[0], { what: 'an answer' })), {
      result: { used_bytes: 200 },
    });
    call('i-9');
    t.deepEqual(JSON.parse(await waitFor(() => answers[1], { what: 'a refusal' })), {
      error: { class: 'NotFound', message: 'nothing was heard of i-9', argument: 'instance_id' },
    });
  },
);

needs(test, 'postgres')(
  'one at a time, messages are handled in the order of their keys and guards',
  async (t) => {
    const database = await createDatabase(t, { migrated: true });
    await database.query(
      'CREATE TABLE seen (n serial, key text, sent double precision); GRANT INSERT ON seen TO conductor_replica; GRANT USAGE ON seen_n_seq TO conductor_replica',
    );
    const file = join(temporaryDirectory('manager'), 'methods.ts');
    const entry = new URL('../../src/public/manager.ts', import.meta.url).href;
    writeFileSync(
      file,
      `import { applied, oneAtATime, readId, readSent } from '${entry}';
     const see = oneAtATime({
       parse: (args) => ({ instanceId: readId(args, 'instance_id'), key: args.key, guard: readSent(args, true) }),
       async handle(db, { key, guard }) {
         await db.query('see', 'INSERT INTO seen (key, sent) VALUES ($1, $2)', [key, guard]);
         return applied;
       },
     });
     export default { see };`,
    );
    const context = { ...openContext(t, database), manager: await loadManager(`file://${file}`) };
    const see = (key: string, sent: number) => native('see', { instance_id: 'i', key, sent });
    t.deepEqual(await apply(context, [see('b', 2), see('a', 9), see('b', 1)]), [
      'applied',
      'applied',
      'applied',
    ]);
    const rows = await database.query<{ key: string; sent: number }>('SELECT key, sent FROM seen ORDER BY n');
    t.deepEqual(
      rows.map(({ key, sent }) => `${key}${sent}`),
      ['a9', 'b1', 'b2'],
    );
  },
);

for (const [what, text, expected] of [
  [
    'a module without a default export',
    'export const heartbeat = 1;',
    /its default export is missing, not a record/,
  ],
  [
    'a method without its functions',
    'export default { a: { parse() {} } };',
    /a is not a method: it needs the functions/,
  ],
  ['a module that cannot be loaded', 'throw new Error("no such luck");', /cannot load .*: no such luck/],
] as const) {
  needs(test, 'postgres')(`${what} is a configuration error that says so`, async (t) => {
    const { url } = await createDatabase(t, { migrated: true });
    const file = configuration(
      `database: { url: "${url}" }`,
      'transports: { rabbit: { kind: amqp091, url: "amqp://127.0.0.1:1" } }',
      'manager: ./methods.ts',
    );
    writeFileSync(join(file, '..', 'methods.ts'), text);
    const { code, errors } = await run(t, ['start', '--config', file], { CONDUCTOR_LOG__LEVEL: 'fatal' });
    t.is(code, 2);
    t.is(errors.length, 1, errors.join('\n'));
    t.regex(errors[0] ?? '', /^conductor: manager: /);
    t.regex(errors[0] ?? '', expected);
  });
}

test('a package that is not installed is a configuration error that says so', async (t) => {
  const file = configuration('database: { url: "postgresql://db/x" }', 'manager: no-such-package');
  const { code, errors } = await runHere(['check-config', file]);
  t.is(code, 2);
  t.regex(
    errors.join('\n'),
    /^conductor: manager: Cannot find package 'no-such-package'.*; a file of your own begins with \.\/$/,
  );
});
