import { setTimeout as sleep } from 'node:timers/promises';
import mqtt from 'mqtt';
import { startMosquitto } from '../../test/support/mosquitto.ts';
import type { BenchBroker } from './broker.ts';
import { heartbeatBodies } from './heartbeats.ts';

/** Mosquitto, with the messages queued for the session of the one replica. */
export async function startMqtt(): Promise<BenchBroker> {
  const server = await startMosquitto();
  const config = {
    kind: 'mqtt',
    url: server.url,
    codec: 'oslo',
    clientId: 'drain',
    topic: 'trove/+',
    group: 'bench',
    // The next round fills the same session.
    keepSession: true,
  };
  // The session must exist before the messages. Otherwise the broker keeps none.
  const subscriber = await mqtt.connectAsync(server.url, {
    clientId: 'drain',
    clean: false,
    protocolVersion: 5,
    properties: { sessionExpiryInterval: 86_400 },
    reconnectPeriod: 0,
  });
  await subscriber.subscribeAsync('$share/bench/trove/+', { qos: 1 });
  await subscriber.endAsync();
  const publisher = await mqtt.connectAsync(server.url, { clientId: 'fill', protocolVersion: 5 });
  return {
    pid: server.pid,
    config,
    async fill(messages, instances) {
      const unconfirmed: Promise<unknown>[] = [];
      for (const body of heartbeatBodies(messages, instances)) {
        unconfirmed.push(publisher.publishAsync('trove/guest', body, { qos: 1 }));
        if (unconfirmed.length === 1000) await Promise.all(unconfirmed.splice(0));
      }
      await Promise.all(unconfirmed);
      await sleep(200);
    },
    async stop() {
      await publisher.endAsync();
      await server.stop();
    },
  };
}
