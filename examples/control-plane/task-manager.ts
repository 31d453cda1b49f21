import { setTimeout as pause } from 'node:timers/promises';
import { connect, RemoteError } from 'conductor-gateway/client';
import { bootGuest, type Guest } from './guest.ts';

/**
 * Carries out the tasks of the API service: boots guests, makes them take backups, deletes them. It has no database connection. It finds
 * tasks through the conductor, and marks each task as taken through the conductor.
 */

interface Row {
  readonly id: string;
  readonly [column: string]: unknown;
}

const url = process.env.BROKER_URL ?? 'mqtt://127.0.0.1:1883';
const interval = Number(process.env.INTERVAL ?? 1000);
const guests = new Map<string, Guest>();
const client = await connect({ transport: { kind: 'mqtt', version: '3.1.1', url }, sender: 'task-manager' });

async function list(model: string, filters: Readonly<Record<string, string>>): Promise<readonly Row[]> {
  const { rows } = await client.call('model_list', { model, filters });
  return rows as readonly Row[];
}

/** Takes the task, unless another task manager has taken it. The row must not have changed since it was read. */
async function take(model: string, row: Row, values: Readonly<Record<string, unknown>>): Promise<boolean> {
  try {
    await client.call('model_update', { model, id: row.id, values, if_updated: row.updated });
    return true;
  } catch (error) {
    if (error instanceof RemoteError && error.class === 'Conflict') return false;
    throw error;
  }
}

async function round(): Promise<void> {
  for (const instance of await list('instances', { task_description: 'BUILDING' })) {
    if (await take('instances', instance, { task_description: 'NONE' }))
      guests.set(instance.id, await bootGuest(url, instance.id, interval));
  }
  for (const backup of await list('backups', { state: 'NEW' })) {
    const guest = guests.get(String(backup.instance_id));
    if (guest !== undefined && (await take('backups', backup, { state: 'BUILDING' })))
      await guest.takeBackup(backup.id);
  }
  for (const instance of await list('instances', { task_description: 'DELETING' })) {
    await guests.get(instance.id)?.stop();
    guests.delete(instance.id);
    await client.call('model_delete', { model: 'instances', id: instance.id });
  }
}

const stopping = new AbortController();
process.once('SIGTERM', () => stopping.abort());
console.log('the task manager looks for tasks');
while (!stopping.signal.aborted) {
  // A failed task, such as one without a broker, is tried again in the next round.
  await round().catch((error: Error) => console.error(error.message));
  await pause(interval, undefined, { signal: stopping.signal }).catch(() => {});
}
for (const guest of guests.values()) await guest.stop();
await client.close();
