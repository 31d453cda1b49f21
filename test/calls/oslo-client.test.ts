import { spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { startConductorHere } from '../support/conductor.ts';
import { createDatabase } from '../support/database.ts';
import { startProcess } from '../support/processes.ts';
import { needs, onlyIf, service } from '../support/services.ts';

/** oslo.messaging's own RPCClient as the caller. */

const python = '/usr/bin/python3';
const caller = fileURLToPath(new URL('../fixtures/trove_caller.py', import.meta.url));

/** Tests have to be declared at once, so this cannot wait. */
const hasOslo = spawnSync(python, ['-c', 'import oslo_messaging, trove.common.exception']).status === 0;
const calling = hasOslo
  ? needs(test, 'rabbitmq', 'postgres')
  : onlyIf(test, false, 'oslo.messaging and Trove are not installed: apt-get install python3-trove');

calling('an RPCClient creates, reads, lists, updates and deletes a row, and raises the errors', async (t) => {
  const broker = service('rabbitmq');
  const vhost = `oslo-${randomUUID()}`;
  const url = await broker.createVhost(vhost);
  t.teardown(() => broker.deleteVhost(vhost));
  const { url: database } = await createDatabase(t, { migrated: true });
  await startConductorHere(t, {
    database,
    transports: { rabbit: { kind: 'amqp091', url, codec: 'oslo' } },
    settings: {
      models: {
        instance: { table: 'instances', read: { except: ['encrypted_key'] } },
        backup: { table: 'backups' },
      },
      services: {
        anonymous: { methods: '*', models: { instance: { read: '*', write: '*', delete: true } } },
      },
    },
  });
  const model = 'instance';
  const requests = [
    ['model_create', { model, values: { name: 'one', task_id: 7 } }],
    ['model_get', { model, id: '$id' }],
    ['model_list', { model, filters: { task_id: { gte: 7 } }, order_by: ['-created'] }],
    ['model_update', { model, id: '$id', values: { name: 'two' } }],
    ['model_update', { model, id: '$id', values: { name: 'three' }, if_updated: null }],
    ['model_delete', { model, id: '$id' }],
    ['model_get', { model, id: '$id' }],
    ['model_get', { model, identity: '$id' }],
    ['model_get', { model: 'backup', id: '$id' }],
    ['model_gte', { model }],
  ];
  const transportUrl = url.replace('amqp://', 'rabbit://');
  const process = startProcess(python, [caller, transportUrl, JSON.stringify(requests)]);
  t.is((await process.exited).code, 0, process.output());
  const answers: unknown[] = JSON.parse(process.stdout().trim().split('\n').at(-1) ?? '');
  const [created, read, listed, updated, conflict, deleted, ...errors] = answers;
  t.like(created, { name: 'one', task_id: 7, deleted: false });
  t.deepEqual(read, created);
  t.deepEqual(listed, { rows: [created], marker: null });
  t.like(updated, { name: 'two' });
  t.deepEqual(deleted, { count: 1 });
  // Trove has no exception of this name; oslo raises its own, which says the class.
  t.like(conflict, { class: 'Conflict', raised: 'RemoteError' });
  t.like(errors[0], { raised: 'NotFound_Remote', message: 'args.id names no instance' });
  t.like(errors[1], { raised: 'BadRequest_Remote' });
  t.like(errors[2], { raised: 'Forbidden_Remote' });
  t.like(errors[3], { class: 'NoSuchMethod' });
});
