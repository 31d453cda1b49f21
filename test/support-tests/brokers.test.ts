import { once } from 'node:events';
import { connect as connectTcp } from 'node:net';
import { connect as connectAmqp } from 'amqplib';
import test from 'ava';
import { connect, connectAsync as connectMqtt } from 'mqtt';
import { startMosquitto } from '../support/mosquitto.ts';
import { startNats } from '../support/nats.ts';
import { isListening } from '../support/ports.ts';
import { secureNats } from '../support/secure-brokers.ts';
import { needs, service } from '../support/services.ts';
import { waitFor } from '../support/wait.ts';
import { stopsWithoutATrace } from './stopping.ts';

needs(test, 'rabbitmq')('closeAllConnections ends the connections of one virtual host', async (t) => {
  const rabbitmq = service('rabbitmq');
  const names = ['support-tests-1', 'support-tests-2'] as const;
  t.teardown(async () => void (await Promise.all(names.map(rabbitmq.deleteVhost))));
  const [ours, others] = await Promise.all(
    names.map(async (name) => connectAmqp(await rabbitmq.createVhost(name))),
  );
  if (ours === undefined || others === undefined) return t.fail();
  t.teardown(() => others.close());
  others.on('close', () => t.fail('the other connection was closed'));
  const closed = new Promise<void>((resolve) => ours.once('close', () => resolve()));
  await rabbitmq.closeAllConnections(names[0]);
  await closed;
  others.removeAllListeners('close');
  t.pass();
});

needs(test, 'mosquitto')(
  'a private Mosquitto keeps a session and its messages through a restart',
  async (t) => {
    const mosquitto = await startMosquitto();
    t.teardown(mosquitto.kill);
    const session = { clientId: 'worker', clean: false, reconnectPeriod: 0 };
    const worker = await connectMqtt(mosquitto.url, session);
    await worker.subscribeAsync('work', { qos: 1 });
    await worker.endAsync();
    const guest = await connectMqtt(mosquitto.url, { reconnectPeriod: 0 });
    await Promise.all(Array.from({ length: 2000 }, () => guest.publishAsync('work', 'hello', { qos: 1 })));
    await guest.endAsync();

    const { pid } = mosquitto;
    await mosquitto.restart();
    t.not(mosquitto.pid, pid);
    const again = connect(mosquitto.url, session);
    let received = 0;
    again.on('message', () => {
      received += 1;
    });
    await waitFor(() => received === 2000, { what: 'all messages that were queued before the restart' });
    await again.endAsync();
    await stopsWithoutATrace(t, mosquitto, mosquitto.port);
  },
);

needs(test, 'nats')(
  'a private NATS server has JetStream, and starts again on the same port after it was killed',
  async (t) => {
    const nats = await startNats();
    t.teardown(nats.kill);
    const jetStream = async () => (await fetch(`${nats.monitorUrl}/jsz`)).json();
    t.like(await jetStream(), { streams: 0 });
    await nats.kill();
    t.false(await isListening(nats.port));
    await nats.restart();
    t.like(await jetStream(), { streams: 0 });
    await stopsWithoutATrace(t, nats, nats.port);
  },
);

needs(test, 'nats')('a private nats-server uses TLS and accounts if it is configured to', async (t) => {
  const nats = await secureNats();
  t.teardown(nats.kill);
  const socket = connectTcp({ port: nats.port, host: '127.0.0.1' });
  const [greeting] = await once(socket, 'data');
  socket.destroy();
  const info: unknown = JSON.parse(String(greeting).replace(/^INFO /, ''));
  t.like(info, { jetstream: true, auth_required: true, tls_required: true, tls_verify: true });
});
