import { connect } from 'conductor-gateway/client';

/** The agent inside a virtual machine. Here it is a function, because the example boots no machine. */
export interface Guest {
  takeBackup(id: string): Promise<void>;
  stop(): Promise<void>;
}

/** Reports each step of its start, then again and again that it runs. */
export async function bootGuest(url: string, instance: string, interval: number): Promise<Guest> {
  const client = await connect({ transport: { kind: 'mqtt', version: '3.1.1', url }, sender: instance });
  const steps = ['new', 'building', 'building', 'running'] as const;
  let step = 0;
  const beat = () => {
    const status = steps[Math.min(step, steps.length - 1)] ?? 'running';
    step += 1;
    client.cast('heartbeat', { payload: { service_status: status } }).catch((error: Error) => {
      // A lost heartbeat does no harm, because the next one has the newest status.
      console.error(`${instance}: ${error.message}`);
    });
  };
  beat();
  const timer = setInterval(beat, interval);
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
      clearInterval(timer);
      await client.close();
    },
  };
}
