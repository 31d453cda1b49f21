import ava from 'ava';
import { CallTimeout, NotConnected, RemoteError, Undeliverable } from '../../src/public/client.ts';
import { startProxy } from '../support/proxy.ts';
import { needs } from '../support/services.ts';
import { waitFor } from '../support/wait.ts';
import { clientBrokers, connectClient, type Heard } from './brokers.ts';

/** The numbers of the counting casts that were heard. */
const numbers = (heard: ReadonlyArray<Heard>) =>
  heard.flatMap(({ args }) => (typeof args.n === 'number' ? [args.n] : []));

for (const kind of clientBrokers) {
  const { label } = kind;
  const test = needs(ava, kind.service);

  test(`${label}: a cast arrives with its sender, message id and arguments`, async (t) => {
    const broker = await kind.open(t);
    const heard = await broker.listen();
    const client = await connectClient(t, broker.entry(), { sender: 'i1' });
    t.is(await client.cast('heartbeat', { payload: { service_status: 'running' } }), 'sent');
    await client.cast('anything', { text: 'Grüße \u{1f600}', n: 1 }, { messageId: 'm1', sender: 'i2' });
    await waitFor(() => heard.length === 2, { what: 'two messages' });
    const [beat, other] = heard;
    t.like(beat, { method: 'heartbeat', replyTo: undefined, expiration: undefined });
    t.like(beat?.args, { instance_id: 'i1', payload: { service_status: 'running' } });
    t.true(Math.abs(Number(beat?.args.sent) - Date.now() / 1000) < 60);
    t.deepEqual(other?.args, { text: 'Grüße \u{1f600}', n: 1 });
    if (label !== 'MQTT 3.1.1, native form') {
      t.is(other?.messageId, 'm1');
      t.regex(beat?.messageId ?? '', /^[0-9a-f-]{36}$/);
    }
    const shared = label === 'AMQP 0-9-1, oslo form';
    t.deepEqual(
      heard.map(({ sender }) => sender),
      shared ? ['trove-conductor', 'trove-conductor'] : ['i1', 'i2'],
    );
  });

  test(`${label}: a cast that has resolved is on the broker, although the connection is cut again and again`, async (t) => {
    const broker = await kind.open(t);
    const heard = await broker.listen();
    const proxy = await startProxy(broker.port);
    t.teardown(proxy.stop);
    const client = await connectClient(t, broker.entry(proxy), { maxInFlight: 20 });
    const total = 600;
    const resolved = new Set<number>();
    const casts = Array.from({ length: total }, async (_, n) => {
      await client.cast('count', { n });
      resolved.add(n);
    });
    for (const part of [50, 200, 400]) {
      await waitFor(() => resolved.size >= part, { what: `${part} casts`, interval: 1 });
      proxy.cut();
      // What is resolved by now is there, whatever becomes of the connection.
      const now = [...resolved];
      await waitFor(() => now.every((n) => numbers(heard).includes(n)), { what: 'what was resolved' });
    }
    await Promise.all(casts);
    await waitFor(() => new Set(numbers(heard)).size === total, { what: 'all of them' });
    // Repeated are at most those that were unconfirmed at a cut, and each first arrival is in order but for those.
    t.true(heard.length <= total + 3 * 20);
  });

  test(`${label}: while the broker is away casts wait; then the newest heartbeat and the rest arrive in order`, async (t) => {
    const broker = await kind.open(t);
    const heard = await broker.listen();
    const proxy = await startProxy(broker.port);
    t.teardown(proxy.stop);
    proxy.refuse();
    const client = await connectClient(t, broker.entry(proxy));
    t.not(client.state, 'connected');
    const casts = (['running', 'healthy', 'crashed'] as const).flatMap((service_status, n) => [
      client.cast('heartbeat', { payload: { service_status } }),
      client.cast('count', { n }),
    ]);
    await proxy.restore();
    t.deepEqual(await Promise.all(casts), ['superseded', 'sent', 'superseded', 'sent', 'sent', 'sent']);
    await waitFor(() => heard.length === 4, { what: 'four messages' });
    t.deepEqual(numbers(heard), [0, 1, 2]);
    t.deepEqual(heard[2]?.args.payload, { service_status: 'crashed' });
  });

  test(`${label}: the client notices a silent connection and sends unconfirmed casts again`, async (t) => {
    const broker = await kind.open(t);
    const heard = await broker.listen();
    const proxy = await startProxy(broker.port);
    t.teardown(proxy.stop);
    const sign = kind.service === 'rabbitmq' ? { heartbeat: 1 } : { keepalive: 1 };
    const client = await connectClient(t, { ...broker.entry(proxy), ...sign });
    proxy.halfOpen();
    const cast = client.cast('count', { n: 1 });
    await waitFor(() => client.state !== 'connected', { what: 'the client to notice' });
    await proxy.restore();
    t.is(await cast, 'sent');
    await waitFor(() => heard.length === 1, { what: 'the message' });
  });

  test(`${label}: many concurrent calls are answered, in any order`, async (t) => {
    const broker = await kind.open(t);
    const heard = await broker.listen();
    const client = await connectClient(t, broker.entry());
    const calls = Array.from({ length: 30 }, (_, n) => client.call('count', { n }, { timeout: 20_000 }));
    await waitFor(() => heard.length === 30, { what: 'the calls' });
    if (kind.hasProperties) t.true(Number(heard[0]?.expiration) > 0);
    for (const one of heard.toReversed()) await broker.reply(one, { result: { n: one.args.n } });
    t.deepEqual(
      await Promise.all(calls),
      Array.from({ length: 30 }, (_, n) => ({ n })),
    );
  });

  test(`${label}: an error answer is a RemoteError, no answer is a CallTimeout, and a late answer is dropped`, async (t) => {
    const broker = await kind.open(t);
    const heard = await broker.listen();
    const client = await connectClient(t, broker.entry());
    const late = await t.throwsAsync(client.call('late', {}, { timeout: 100 }), {
      instanceOf: CallTimeout,
    });
    t.regex(late.message, /^late was not answered within 100 ms$/);
    const call = client.call('fails', {});
    const [first, second] = await waitFor(() => heard.length === 2 && heard, { what: 'both calls' });
    if (first !== undefined) await broker.reply(first, { result: 'late' });
    if (second !== undefined)
      await broker.reply(second, { error: { class: 'NotFound', message: 'no such row' } });
    const error = await t.throwsAsync(call, { instanceOf: RemoteError, message: 'no such row' });
    t.is(error.class, 'NotFound');
  });

  test(`${label}: a call fails if its connection breaks, and the next call has a new reply address`, async (t) => {
    const broker = await kind.open(t);
    const heard = await broker.listen();
    const proxy = await startProxy(broker.port);
    t.teardown(proxy.stop);
    const client = await connectClient(t, broker.entry(proxy));
    const broken = t.throwsAsync(client.call('first', {}), { instanceOf: NotConnected });
    await waitFor(() => heard.length === 1, { what: 'the call' });
    proxy.cut();
    await broken;
    const call = client.call('second', {});
    const [, second] = await waitFor(() => heard.length === 2 && heard, { what: 'the next call' });
    if (second !== undefined) await broker.reply(second, { result: 2 });
    t.is(await call, 2);
    t.not(heard[0]?.replyTo, heard[1]?.replyTo);
  });

  if (kind.tellsUnroutable) {
    test(`${label}: a cast that reaches no queue is refused, and the next one that reaches one is not`, async (t) => {
      const broker = await kind.open(t);
      const entry = broker.entry();
      const unheard = kind.service === 'rabbitmq' ? { routingKey: 'nowhere.*' } : { topic: 'nowhere/+' };
      const client = await connectClient(t, { ...entry, ...unheard });
      for (const _ of [1, 2]) {
        const error = await t.throwsAsync(client.cast('count', { n: 1 }), { instanceOf: Undeliverable });
        t.regex(error.message, /is a conductor running|has a conductor been started/);
      }
      t.is(client.state, 'connected');
      t.is(client.buffered, 0);
    });
  }
}
