import { randomUUID } from 'node:crypto';
import mqtt from 'mqtt';
import { service } from '../../support/services.ts';
import { make, type Subject } from './subject.ts';

export function mqttSubject(version: '5' | '3.1.1'): Subject {
  return {
    name: `mqtt ${version}`,
    needs: 'mosquitto',
    settlesOutOfOrder: false,
    boundedByBroker: version === '5',
    async open(t, options = {}) {
      const { url } = service('mosquitto');
      const topic = `conformance/${randomUUID()}`;
      const publisher = await mqtt.connectAsync(url);
      const id = randomUUID();
      // Brokers keep messages for sessions that exist.
      const first = await mqtt.connectAsync(url, {
        clientId: `${id}-one`,
        clean: false,
        ...(version === '5'
          ? { protocolVersion: 5, properties: { sessionExpiryInterval: 3600 } }
          : { protocolVersion: 4 }),
      });
      await first.subscribeAsync(`$share/conformance/${topic}/+`, { qos: 1 });
      await first.endAsync();
      const settings = {
        url,
        version,
        topic: `${topic}/+`,
        group: 'conformance',
        // What is refused waits in the socket for a quarter of it; then the session ends, which is another story.
        keepalive: 120,
        auth: { mode: 'subject' },
        ...options,
      };
      const transport = (messages: number, replica = 'one') =>
        make('mqtt', { ...settings, clientId: `${id}-${replica}` }, messages);
      t.teardown(async () => {
        await publisher.endAsync();
        // Ends the session that the broker keeps, with whatever the test has left in it.
        const ending = make('mqtt', { ...settings, keepSession: false, clientId: `${id}-one` }, 1000);
        const last = await ending.connect((delivery) => {
          setImmediate(() => delivery.session.settle([delivery], 'done'));
          return true;
        });
        const deadline = AbortSignal.timeout(5000);
        await last.drain(deadline);
        await last.stop(deadline);
      });
      return {
        transport,
        publish: async (sender, body) =>
          void (await publisher.publishAsync(`${topic}/${sender}`, body, { qos: 1 })),
      };
    },
  };
}
