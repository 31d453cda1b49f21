import { cpSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import ava from 'ava';
import { pino } from 'pino';
import { ConfigError, Undeliverable } from '../../src/core/errors.ts';
import type { Delivery } from '../../src/core/transport/contract.ts';
import { startNats } from '../support/nats.ts';
import { needs } from '../support/services.ts';
import { waitFor } from '../support/wait.ts';
import { arrive, configure, open, soon } from './nats-support.ts';

/** Streams and consumers on a real server that lose messages, or seem to. */
const test = needs(ava, 'nats');

test('a stream with interest retention has lost messages that were published before its first consumer', async (t) => {
  const { addStream, consume, publish, warnings } = await open(t);
  await addStream({ retention: 'interest' });
  await publish('lost');
  const first = await consume();
  t.regex(warnings.join(''), /THE MESSAGES PUBLISHED BEFORE ARE LOST.*make the stream with workqueue/);
  await publish('kept');
  await arrive(first.deliveries, 1);
  first.session.settle(first.deliveries, 'done');
  await first.session.stop(soon());
  warnings.length = 0;
  await consume();
  t.regex(warnings.join(''), /"retention":"interest".*keeps nothing while it has no consumer/);
  t.false(warnings.join('').includes('LOST'));
});

test('a mirror is refused, and the error names the stream that it mirrors', async (t) => {
  const origin = await open(t);
  await origin.addStream();
  const { id, manager, transport } = await open(t);
  await manager.streams.add({ name: id, mirror: { name: origin.id } });
  await t.throwsAsync(
    transport().connect(() => true),
    {
      instanceOf: ConfigError,
      message: new RegExp(`stream: ${id} is a mirror of ${origin.id},.*set stream to`),
    },
  );
});

test('a stream with sources is consumed from, with a warning', async (t) => {
  const origin = await open(t);
  await origin.addStream();
  const { id, manager, consume, warnings } = await open(t, { subject: `test.${origin.id}.*` });
  await manager.streams.add({ name: id, sources: [{ name: origin.id }] });
  const { session, deliveries } = await consume();
  await origin.publish('through');
  await arrive(deliveries, 1);
  t.regex(warnings.join(''), new RegExp(`"sources":\\["${origin.id}"\\].*messages stay`));
  session.settle(deliveries, 'done');
});

test('the consumer that is made has a filter only if the stream has other messages too', async (t) => {
  const alone = await open(t);
  await alone.addStream();
  await alone.consume();
  t.is((await alone.manager.consumers.info(alone.id, 'conductor')).config.filter_subject, undefined);

  const shared = await open(t);
  await shared.addStream({ subjects: [`test.${shared.id}.*`, `other.${shared.id}.>`] });
  await shared.consume();
  const { config } = await shared.manager.consumers.info(shared.id, 'conductor');
  t.is(config.filter_subject, `test.${shared.id}.*`);
});

test('no answer goes to a subject that the consumer delivers', async (t) => {
  const { id, addStream, addConsumer, consume } = await open(t);
  await addStream({ subjects: [`test.${id}.*`, `other.${id}.>`] });
  await addConsumer({});
  const { session } = await consume();
  for (const name of [`test.${id}.i-2`, `other.${id}.a.b`])
    await t.throwsAsync(session.publish({ to: { kind: 'reply', name }, body: Buffer.from('x') }), {
      instanceOf: Undeliverable,
    });
  await t.notThrowsAsync(
    session.publish({ to: { kind: 'reply', name: `elsewhere.${id}` }, body: Buffer.from('x') }),
  );
});

test('settled messages that a killed server has kept are counted, and the line says how to remove them', async (t) => {
  const count = 100;
  const server = await startNats();
  t.teardown(server.kill);
  const withManager = async <T>(
    work: (manager: Awaited<ReturnType<typeof jetstreamManager>>) => Promise<T>,
  ) => {
    const connection = await connect({ servers: server.url, reconnect: false });
    try {
      return await work(await jetstreamManager(connection));
    } finally {
      await connection.close();
    }
  };
  const stream = 'KEPT';
  const messages = () => withManager(async ({ streams }) => (await streams.info(stream)).state.messages);
  const warnings: string[] = [];
  const begin = (deliveries: Delivery[] = []) =>
    configure({ url: server.url, stream, subject: 'kept.*' })
      .create({
        share: { messages: 1000, bytes: 2 ** 20 },
        replica: 'test',
        logger: pino({ level: 'warn' }, { write: (line: string) => warnings.push(line) }),
      })
      .connect((delivery) => deliveries.push(delivery) > 0);
  await (await begin()).stop(soon());
  const connection = await connect({ servers: server.url, reconnect: false });
  for (let number = 0; number < count; number += 1)
    await jetstream(connection).publish('kept.guest', String(number));
  await connection.close();
  // As a kill leaves it: the consumer's state is on disk, and the removal of the messages is not.
  const kept = join(server.store, 'jetstream', '$G', 'streams', stream, 'msgs');
  const copy = join(server.store, 'copy');
  await server.stop();
  cpSync(kept, copy, { recursive: true });
  await server.restart();
  const deliveries: Delivery[] = [];
  const session = await begin(deliveries);
  await arrive(deliveries, count);
  session.settle(deliveries, 'done');
  await waitFor(async () => (await messages()) === 0, { what: 'the messages to be gone' });
  await session.stop(soon());
  t.deepEqual(warnings, []);
  await server.stop();
  rmSync(kept, { recursive: true });
  cpSync(copy, kept, { recursive: true });
  await server.restart();

  t.is(await messages(), count);
  const again: Delivery[] = [];
  await (await begin(again)).stop(soon());
  t.is(again.length, 0, 'nobody gets them');
  t.regex(
    warnings.join(''),
    new RegExp(`"messages":${count},.*nats stream purge ${stream} --seq=${count + 1}`),
  );
  await withManager(({ streams }) => streams.purge(stream, { seq: count + 1 }));
  warnings.length = 0;
  await (await begin()).stop(soon());
  t.deepEqual(warnings, []);
});
