import { randomBytes } from 'node:crypto';
import test, { type ExecutionContext } from 'ava';
import type { Delivery, Transport } from '../../src/core/contracts.ts';
import { ConfigError } from '../../src/core/errors.ts';
import { startMosquitto } from '../support/mosquitto.ts';
import { needs, onlyIf, service } from '../support/services.ts';
import { waitFor } from '../support/wait.ts';
import { subjects } from './subjects/index.ts';
import { make, type Opened, type Subject } from './subjects/subject.ts';

/** The same behaviour on every transport, against a real broker. */

const soon = () => AbortSignal.timeout(5000);

/** A session with what it has delivered, and how much of that it was allowed to. */
async function consume(opened: Opened, bound = 100, accept = () => true, replica = 'one') {
  const deliveries: Delivery[] = [];
  const session = await opened.transport(bound, replica).connect((delivery) => {
    if (!accept()) return false;
    deliveries.push(delivery);
    return true;
  });
  return { session, deliveries };
}

async function publish(opened: Opened, count: number): Promise<void> {
  for (let number = 0; number < count; number += 1)
    await opened.publish('guest', Buffer.from(`message ${number}`));
}

const texts = (deliveries: ReadonlyArray<Delivery>) =>
  deliveries.map(({ body }) => Buffer.from(body).toString());
const numbered = (count: number) => Array.from({ length: count }, (_, number) => `message ${number}`);

function arrive(deliveries: ReadonlyArray<Delivery>, count: number): Promise<true> {
  return waitFor(() => deliveries.length >= count || undefined, { what: `${count} deliveries` });
}

/** That nothing more comes is known once something that was published last has come. */
async function expectOnly(t: ExecutionContext, opened: Opened, expected: string[]): Promise<void> {
  const { session, deliveries } = await consume(opened);
  await opened.publish('guest', Buffer.from('the last'));
  await waitFor(() => texts(deliveries).includes('the last'), { what: 'the last message' });
  t.deepEqual(texts(deliveries), [...expected, 'the last']);
  session.settle(deliveries, 'done');
  await session.stop(soon());
}

function suite(subject: Subject): void {
  const named = (title: string, run: (t: ExecutionContext, opened: Opened) => Promise<void>) =>
    needs(test, subject.needs)(`${subject.name}: ${title}`, async (t) => run(t, await subject.open(t)));

  named('bodies arrive as they were sent: empty, binary, 1 MiB', async (t, opened) => {
    const bodies = [Buffer.alloc(0), Buffer.from([0, 255, 254, 10, 13]), randomBytes(2 ** 20)];
    for (const body of bodies) await opened.publish('guest', body);
    const { session, deliveries } = await consume(opened);
    await arrive(deliveries, 3);
    // Not by deepEqual: on a MiB that stops the process for seconds, and what the other cases hold is taken from them.
    for (const [index, body] of bodies.entries())
      t.true(body.equals(deliveries[index]?.body ?? Buffer.from('nothing')));
    session.settle(deliveries, 'done');
    await session.stop(soon());
  });

  named('the last part of the address is the sender', async (t, opened) => {
    await opened.publish('i-77', Buffer.from('x'));
    const { session, deliveries } = await consume(opened);
    await arrive(deliveries, 1);
    t.like(deliveries[0]?.meta, { sender: 'i-77', senderProof: 'subject', redelivered: false });
    session.settle(deliveries, 'done');
    await session.stop(soon());
  });

  named(
    'what is done is never delivered again, even if the session stops right behind it',
    async (t, opened) => {
      await publish(opened, 50);
      const { session, deliveries } = await consume(opened);
      await arrive(deliveries, 50);
      session.settle(deliveries.slice(20), 'done');
      session.settle(deliveries.slice(0, 20), 'done');
      await session.stop(soon());
      t.is(await session.closed, undefined);
      await expectOnly(t, opened, []);
    },
  );

  named('what is not settled is delivered again to the next session', async (t, opened) => {
    await publish(opened, 5);
    const { session, deliveries } = await consume(opened);
    await arrive(deliveries, 5);
    session.settle(deliveries.slice(0, 2), 'done');
    await session.stop(soon());
    await expectOnly(t, opened, numbered(5).slice(2));
  });

  named('what is released is delivered again', async (t, opened) => {
    await publish(opened, 5);
    const { session, deliveries } = await consume(opened);
    await arrive(deliveries, 5);
    session.settle(deliveries.slice(0, 2), 'done');
    session.settle(deliveries.slice(2), 'release');
    await session.stop(soon());
    await expectOnly(t, opened, numbered(5).slice(2));
  });

  const bounded = subject.boundedByBroker
    ? needs(test, subject.needs)
    : onlyIf(test, false, `${subject.name} has no word for a bound; what is too much is refused`);
  bounded(`${subject.name}: no more is in flight than the bound; settling lets more in`, async (t) => {
    const opened = await subject.open(t);
    const { session, deliveries } = await consume(opened, 10);
    await publish(opened, 25);
    await arrive(deliveries, 10);
    for (let settled = 0; settled < 25; settled += 5) {
      t.true(deliveries.length - settled <= 10);
      await arrive(deliveries, settled + 5);
      session.settle(deliveries.slice(settled, settled + 5), 'done');
    }
    t.deepEqual(texts(deliveries), numbered(25));
    await session.stop(soon());
  });

  named(
    'what is refused comes once the session is resumed, in its order and only once',
    async (t, opened) => {
      let open = false;
      let offered = 0;
      const { session, deliveries } = await consume(opened, 100, () => {
        offered += 1;
        return open;
      });
      await publish(opened, 5);
      await waitFor(() => offered > 0, { what: 'a message to be offered' });
      t.is(deliveries.length, 0);
      open = true;
      session.resume();
      await arrive(deliveries, 5);
      t.deepEqual(texts(deliveries).sort(), numbered(5));
      session.settle(deliveries, 'done');
      await session.stop(soon());
    },
  );

  named('paused and resumed, it goes on', async (t, opened) => {
    const { session, deliveries } = await consume(opened, 5);
    session.pause();
    session.pause();
    session.resume();
    await publish(opened, 12);
    for (let settled = 0; settled < 10; settled += 5) {
      await arrive(deliveries, settled + 5);
      session.settle(deliveries.slice(settled, settled + 5), 'done');
    }
    await arrive(deliveries, 12);
    session.settle(deliveries.slice(10), 'done');
    await session.stop(soon());
    t.deepEqual(texts(deliveries), numbered(12));
  });

  named(
    "drained, it delivers nothing more, and what is published then is the next one's",
    async (t, opened) => {
      await publish(opened, 5);
      const { session, deliveries } = await consume(opened);
      await arrive(deliveries, 5);
      session.settle(deliveries, 'done');
      await session.drain(soon());
      t.is(deliveries.length, 5);
      await session.stop(soon());
      // Nobody keeps messages for a replica that has left MQTT in good order: the next one connects first.
      const next = await consume(opened);
      await publish(opened, 3);
      await arrive(next.deliveries, 3);
      next.session.settle(next.deliveries, 'done');
      await next.session.stop(soon());
      t.is(deliveries.length, 5);
    },
  );

  named('two replicas share the load', async (t, opened) => {
    // The bound of the first keeps it from taking all.
    const first = await consume(opened, 5);
    const second = await consume(opened, 5, () => true, 'two');
    await publish(opened, 10);
    await waitFor(() => first.deliveries.length + second.deliveries.length === 10, { what: 'all ten' });
    t.true(first.deliveries.length > 0 && second.deliveries.length > 0);
    for (const { session, deliveries } of [first, second]) {
      session.settle(deliveries, 'done');
      await session.stop(soon());
    }
  });

  const outOfOrder = subject.settlesOutOfOrder
    ? needs(test, subject.needs)
    : onlyIf(test, false, `${subject.name} acknowledges in the order of arrival`);
  outOfOrder(
    `${subject.name}: what is settled behind something that takes long is not delivered again`,
    async (t) => {
      const opened = await subject.open(t);
      await publish(opened, 5);
      const { session, deliveries } = await consume(opened);
      await arrive(deliveries, 5);
      session.settle(deliveries.slice(1), 'done');
      await session.stop(soon());
      await expectOnly(t, opened, ['message 0']);
    },
  );
}

for (const subject of subjects) suite(subject);

for (const subject of subjects.filter(({ needs }) => needs === 'mosquitto')) {
  needs(test, 'mosquitto')(
    `${subject.name}: a session that is kept gets what was published while nobody was there`,
    async (t) => {
      const opened = await subject.open(t, { keepSession: true });
      const { session } = await consume(opened);
      await session.drain(soon());
      await session.stop(soon());
      await publish(opened, 3);
      await expectOnly(t, opened, numbered(3));
    },
  );
}

function refused(t: ExecutionContext, transport: Transport): Promise<ConfigError | undefined> {
  return t.throwsAsync(
    transport.connect(() => true),
    { instanceOf: ConfigError },
  );
}

needs(test, 'rabbitmq')(
  'amqp091: a wrong password is a configuration error that does not quote it',
  async (t) => {
    const url = service('rabbitmq').url.replace('guest:guest', 'guest:wrong-password');
    const error = await refused(t, make('amqp091', { url }, 1));
    t.regex(error?.message ?? '', /ACCESS.REFUSED/);
    t.false(error?.message.includes('wrong-password'));
  },
);

for (const version of ['5', '3.1.1'] as const) {
  needs(test, 'mosquitto')(
    `mqtt ${version}: a connection that is not authorized is a configuration error`,
    async (t) => {
      const broker = await startMosquitto({ settings: ['allow_anonymous false'] });
      t.teardown(broker.stop);
      const error = await refused(t, make('mqtt', { url: broker.url, version }, 1));
      t.regex(error?.message ?? '', /refuses the connection: .*[Nn]ot authorized/);
    },
  );
}
