import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from 'conductor-gateway/client';

/** The agent inside a virtual machine. Here it is a function, because the example boots no machine. */
export interface Guest {
  takeBackup(id: string): Promise<void>;
  stop(): Promise<void>;
}

/**
 * Reports each step of its start, then again and again that it runs. The conductor says how often, by the fleet that it serves.
 *
 * @param step milliseconds of each step of the start.
 */
export async function bootGuest(url: string, instance: string, step: number): Promise<Guest> {
  const client = await connect({ transport: { kind: 'mqtt', version: '3.1.1', url }, sender: instance });
  // A lost heartbeat does no harm, because the next one has the newest status.
  const onError = (error: unknown) => console.error(`${instance}: ${error}`);
  const booting = new AbortController();
  const boot = async () => {
    for (const service_status of ['new', 'building', 'building'] as const) {
      client.cast('heartbeat', { payload: { service_status } }).catch(onError);
      await sleep(step, undefined, { signal: booting.signal });
    }
    client.heartbeats({ status: () => 'running', onError });
  };
  boot().catch((error: unknown) => {
    if (!booting.signal.aborted) onError(error);
  });
  return {
    async takeBackup(id) {
      await client.cast('update_backup', { backup_id: id, state: 'BUILDING' });
      // Cumulative: the last message has everything.
      await client.cast('update_backup', {
        backup_id: id,
        state: 'COMPLETED',
        size: 0.14,
        checksum: 'd41d8cd98f00b204e9800998ecf8427e',
        location: `https://store.example/backups/${id}`,
      });
    },
    async stop() {
      booting.abort();
      // Its heartbeats end too.
      await client.close();
    },
  };
}
