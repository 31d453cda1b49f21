import mqtt from 'mqtt';
import { report, type Stopwatch } from '../child.ts';
import type { DrainTask } from '../drain.ts';

/** The library sends its own PUBACKs. */
export async function drainMqtt({ config, prefetch }: DrainTask, stopwatch: Stopwatch): Promise<void> {
  let received = 0;
  const client = mqtt.connect(String(config.url), {
    clientId: String(config.clientId),
    clean: false,
    protocolVersion: 5,
    properties: { receiveMaximum: prefetch, sessionExpiryInterval: 86_400 },
    reconnectPeriod: 0,
  });
  client.on('error', (error) => {
    throw error;
  });
  client.handleMessage = (_, callback) => {
    received += 1;
    callback();
    stopwatch.tick(received, received);
  };
  // Ends and keeps the session, which the conductor drains next.
  await report(stopwatch, () => client.endAsync());
}
