import test from 'ava';
import mqtt from 'mqtt';
import { arrive, soon } from '../../src/conformance/harness.ts';
import { within } from '../../src/core/deadline.ts';
import type { Delivery } from '../../src/core/transport/contract.ts';
import { make } from '../conformance/subjects/subject.ts';
import { startMosquitto } from '../support/mosquitto.ts';
import { freePort } from '../support/ports.ts';
import { needs } from '../support/services.ts';
import { waitFor } from '../support/wait.ts';
import { publishPacket, startFakeMqttBroker } from './fake-mqtt-broker.ts';

/** What does not fit, what stands behind it, and by which ways a broker is reached. */

const isPatient = 5000;

test('mqtt: the session reads the confirm of an answer behind a message without room', async (t) => {
  const broker = await startFakeMqttBroker(t);
  const deliveries: Delivery[] = [];
  let room = 1;
  const session = await make('mqtt', { url: broker.url }, 10).connect((delivery) => {
    if (deliveries.length >= room) return false;
    deliveries.push(delivery);
    return true;
  });
  t.teardown(() => session.stop(soon()));
  broker
    .socket()
    .write(Buffer.concat([1, 2, 3].map((id) => publishPacket(id, 'conductor/a', `message ${id}`))));
  await arrive(deliveries, 1);
  // The call is settled, and makes room, once its answer is confirmed.
  const answered = session.publish({ to: { kind: 'reply', name: 'caller' }, body: Buffer.from('{}') });
  await within(answered, isPatient);
  t.is(deliveries.length, 1);
  room = 3;
  session.settle(deliveries, 'done');
  session.resume();
  t.deepEqual(
    deliveries.map(({ body }) => Buffer.from(body).toString()),
    ['message 1', 'message 2', 'message 3'],
  );
});

test('mqtt: the session reads a bounded amount of messages without room, and all arrive in order', async (t) => {
  const broker = await startFakeMqttBroker(t);
  const numbers: number[] = [];
  let room = 1;
  const session = await make('mqtt', { url: broker.url, keepalive: 60 }, 10_000).connect((delivery) => {
    if (numbers.length >= room) return false;
    numbers.push(Number(Buffer.from(delivery.body).toString()));
    return true;
  });
  t.teardown(() => session.stop(soon()));
  const count = 30_000;
  const packets = Array.from({ length: count }, (_, index) =>
    publishPacket((index % 65_535) + 1, 'conductor/a', String(index).padStart(100)),
  );
  // Far more than is kept, the socket's own buffers included.
  const socket = broker.socket();
  for (let round = 0; round < 10; round += 1)
    socket.write(Buffer.concat(packets.slice(round * 3000, (round + 1) * 3000)));
  let written = -1;
  await waitFor(
    () => {
      const before = written;
      written = socket.bytesWritten - socket.writableLength;
      return numbers.length === 1 && before === written;
    },
    { what: 'the socket to be full' },
  );
  room = count;
  await waitFor(
    () => {
      session.resume();
      return numbers.length === count;
    },
    { what: 'all of them' },
  );
  t.deepEqual(
    numbers,
    Array.from({ length: count }, (_, index) => index),
  );
});

test('mqtt 5: a message with properties that cannot be read is delivered with its bytes, and acknowledged', async (t) => {
  const broker = await startFakeMqttBroker(t);
  const deliveries: Delivery[] = [];
  const session = await make('mqtt', { url: broker.url }, 10).connect(
    (delivery) => deliveries.push(delivery) > 0,
  );
  t.teardown(() => session.stop(soon()));
  const acknowledged: Buffer[] = [];
  broker.socket().on('data', (data) => acknowledged.push(data));
  broker.socket().write(Buffer.from([0x32, 8, 0, 1, 0x61, 0, 7, 2, 0x7f, 0x7b]));
  broker.socket().write(publishPacket(8, 'conductor/a', 'behind'));
  await arrive(deliveries, 2);
  t.deepEqual([...(deliveries[0]?.body ?? [])], [2, 0x7f, 0x7b]);
  session.settle(deliveries, 'done');
  await waitFor(() => Buffer.concat(acknowledged).toString('hex') === '4002000740020008', {
    what: 'both to be acknowledged',
  });
  t.pass();
});

test('mqtt: the first of several addresses that answers is used', async (t) => {
  const broker = await startFakeMqttBroker(t);
  const session = await make('mqtt', { url: `mqtt://127.0.0.1:1,${broker.url}` }, 10).connect(() => true);
  await session.stop(soon());
  t.is(await session.closed, undefined);
});

needs(test, 'mosquitto')('mqtt: messages arrive over WebSockets and are acknowledged', async (t) => {
  const port = await freePort();
  const broker = await startMosquitto({
    furtherPorts: [port],
    settings: [`listener ${port} 127.0.0.1`, 'protocol websockets', 'allow_anonymous true'],
  });
  t.teardown(broker.stop);
  const options = { url: `ws://127.0.0.1:${port}`, clientId: 'web', shared: false };
  const deliveries: Delivery[] = [];
  const transport = make('mqtt', options, 1000);
  const take = (delivery: Delivery) => deliveries.push(delivery) > 0;
  const first = await transport.connect(take);
  const publisher = await mqtt.connectAsync(broker.url, { reconnectPeriod: 0 });
  t.teardown(() => publisher.endAsync());
  const publish = (body: Buffer) => publisher.publishAsync('conductor/a', body, { qos: 1 });
  // In several frames.
  const bodies = [Buffer.from('a'), Buffer.alloc(20_000, 'b'), Buffer.from('c')];
  for (const body of bodies) await publish(body);
  await arrive(deliveries, 3);
  t.true(bodies.every((body, index) => body.equals(deliveries[index]?.body ?? Buffer.alloc(0))));
  first.settle(deliveries, 'done');
  await first.stop(soon());
  const second = await transport.connect(take);
  t.teardown(() => second.stop(soon()));
  await publish(Buffer.from('d'));
  await arrive(deliveries, 4);
  t.is(Buffer.from(deliveries[3]?.body ?? []).toString(), 'd');
});
