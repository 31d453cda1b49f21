import test from 'ava';
import { arrive, soon, until } from '../../src/conformance/harness.ts';
import { within } from '../../src/core/deadline.ts';
import { Displaced } from '../../src/core/errors.ts';
import type { Delivery, Session } from '../../src/core/transport/contract.ts';
import { openNetwork } from '../conformance/subjects/subject.ts';
import { startMosquitto } from '../support/mosquitto.ts';
import { needs } from '../support/services.ts';
import { open, textOf, versions } from './mqtt-session-support.ts';

const mosquittoTest = needs(test, 'mosquitto');

/** Milliseconds. */
const patience = 5000;

for (const version of versions) {
  for (const keepSession of [true, false]) {
    mosquittoTest(
      `mqtt ${version}, ${keepSession ? 'by default' : 'keepSession: false'}: a session that is stopped early on a slow line keeps the remaining messages`,
      async (t) => {
        const count = 2000;
        const broker = await startMosquitto({ maxInflightMessages: 20 });
        t.teardown(broker.stop);
        const { url, network } = await openNetwork(t, broker.url);
        const place = await open(t, version, keepSession ? {} : { keepSession }, broker.url);
        await place.keep();
        await place.publish(count);
        const seen = new Set<string>();
        const take = (delivery: Delivery) => {
          seen.add(textOf(delivery.body));
          // Behind the SUBSCRIBE, before the SUBACK.
          setTimeout(() => delivery.session.settle([delivery], 'done'), 50);
          return true;
        };
        network.delay(200);
        const first = await place.transport(20, url).connect(take);
        // All that has come is settled by now, and the next messages are on their way.
        await first.stop(soon());
        if (keepSession) t.true(seen.size < count, 'it was stopped before it had all');
        const second = await place.transport(100).connect(take);
        await until('all of them', () => seen.size === count);
        t.is(seen.size, count);
        await second.stop(soon());
      },
    );
  }

  mosquittoTest(
    `mqtt ${version}, keepSession: false: the session takes the broker's messages before it ends`,
    async (t) => {
      const place = await open(t, version, { keepSession: false });
      await place.keep();
      await place.publish(2000);
      let taken = 0;
      const session = await place.transport(50).connect((delivery) => {
        taken += 1;
        setTimeout(() => delivery.session.settle([delivery], 'done'), 1);
        return true;
      });
      await session.drain(AbortSignal.timeout(20_000));
      t.is(taken, 2000);
      await session.stop(soon());
      t.false(await place.hasSession());
    },
  );

  mosquittoTest(
    `mqtt ${version}: an adopted session gets what the broker has kept, and nothing new, and ends`,
    async (t) => {
      const place = await open(t, version);
      await place.keep();
      await place.publish(1000);
      const seen = new Set<string>();
      const adopted = await place.adopt(50, (delivery) => {
        seen.add(textOf(delivery.body));
        setImmediate(() => delivery.session.settle([delivery], 'done'));
        return true;
      });
      await adopted.drain(AbortSignal.timeout(20_000));
      await place.publish(1, 1000);
      t.false(adopted.leavesNothing);
      await adopted.stop(soon());
      t.true(adopted.leavesNothing);
      t.is(seen.size, 1000);
      t.false(await place.hasSession());
    },
  );

  mosquittoTest(
    `mqtt ${version}: an adopted session that is not empty stays at the broker, and so does one that its owner takes back`,
    async (t) => {
      const place = await open(t, version);
      await place.keep();
      await place.publish(10);
      const deliveries: Delivery[] = [];
      const first = await place.adopt(50, (delivery) => deliveries.push(delivery) > 0);
      await arrive(deliveries, 10);
      await first.stop(soon());
      t.false(first.leavesNothing);
      const second = await place.adopt(50, () => true);
      const again: Delivery[] = [];
      const owner = await place.transport(50).connect((delivery) => again.push(delivery) > 0);
      const error = await within(second.closed, patience);
      t.true(error instanceof Displaced, String(error));
      await arrive(again, 10);
      await place.publish(1, 10);
      await arrive(again, 11);
      owner.settle(again, 'done');
      await owner.stop(soon());
    },
  );

  mosquittoTest(`mqtt ${version}: a replica warns if the broker has forgotten its session`, async (t) => {
    const place = await open(t, version);
    const transport = place.transport(10);
    const first = await transport.connect(() => true);
    // Another connection with the same client id, which is not to be kept, ends both.
    await place.endSession();
    await within(first.closed, patience);
    t.deepEqual(place.codes(), []);
    const second = await transport.connect(() => true);
    t.deepEqual(place.codes(), ['session-forgotten']);
    await second.stop(soon());
    const third = await transport.connect(() => true);
    t.deepEqual(place.codes(), ['session-forgotten']);
    await third.stop(soon());
  });

  mosquittoTest(
    `mqtt ${version}: two replicas of one name log that another client uses the client id`,
    async (t) => {
      const place = await open(t, version);
      const first = await place.transport(10).connect(() => true);
      const second = await place.transport(10).connect(() => true);
      t.teardown(() => second.stop(soon()));
      const error = await within(first.closed, patience);
      t.regex(
        error?.message ?? '',
        /another connection has the client id .*give each replica a name of its own/,
      );
    },
  );

  mosquittoTest(
    `mqtt ${version}: one slow message delays no other one, unless ackOrder is strict`,
    async (t) => {
      const bound = 10;
      const broker = await startMosquitto({ maxInflightMessages: bound });
      t.teardown(broker.stop);
      const after = async (ackOrder: string) => {
        const place = await open(t, version, { ackOrder }, broker.url);
        const deliveries: Delivery[] = [];
        let session: Session | undefined;
        session = await place.transport(bound).connect((delivery) => {
          if (deliveries.push(delivery) > 1) setImmediate(() => session?.settle([delivery], 'done'));
          return true;
        });
        t.teardown(async () => session?.stop(soon()));
        await place.publish(100);
        return { session, deliveries, place };
      };
      const strict = await after('strict');
      await arrive(strict.deliveries, bound);
      // It begins later, so the strict one has had the time too.
      const relaxed = await after('relaxed');
      await arrive(relaxed.deliveries, 100);
      t.is(strict.deliveries.length, bound);
      strict.session.settle(strict.deliveries.slice(0, 1), 'done');
      await arrive(strict.deliveries, 100);

      // Mosquitto has understood which of them is left.
      await relaxed.session.stop(soon());
      const again: Delivery[] = [];
      const next = await relaxed.place.transport(bound).connect((delivery) => again.push(delivery) > 0);
      await arrive(again, 1);
      await relaxed.place.publish(1, 100);
      await arrive(again, 2);
      t.deepEqual(
        again.map(({ body }) => textOf(body)),
        ['message 0', 'message 100'],
      );
      next.settle(again, 'done');
      await next.stop(soon());
    },
  );

  mosquittoTest(
    `mqtt ${version}: QoS 2 messages of an earlier session are delivered, acknowledged after the commit, and removed`,
    async (t) => {
      const place = await open(t, version);
      await place.keep(2);
      await place.publish(10, 0, 2);
      const deliveries: Delivery[] = [];
      const take = (delivery: Delivery) => deliveries.push(delivery) > 0;
      const first = await place.transport(100).connect(take);
      await arrive(deliveries, 10);
      first.settle(deliveries.slice(0, 4), 'done');
      await first.stop(soon());
      const second = await place.transport(100).connect(take);
      await arrive(deliveries, 16);
      await place.publish(1, 10, 1);
      await arrive(deliveries, 17);
      t.deepEqual(
        deliveries.slice(10).map(({ body }) => textOf(body)),
        [4, 5, 6, 7, 8, 9, 10].map((number) => `message ${number}`),
      );
      second.settle(deliveries, 'done');
      await second.stop(soon());
      const third = await place.transport(100).connect(take);
      await place.publish(1, 11, 1);
      await arrive(deliveries, 18);
      t.is(textOf(deliveries.at(-1)?.body ?? new Uint8Array()), 'message 11');
      await third.stop(soon());
    },
  );
}

mosquittoTest(
  'mqtt 5, not shared: a retained message is delivered once over several connections, and not when it is cleared',
  async (t) => {
    const place = await open(t, '5', { shared: false });
    await place.retain('not json');
    const deliveries: Delivery[] = [];
    const transport = place.transport(10);
    let settled = 0;
    for (let connection = 0; connection < 10; connection += 1) {
      const session = await transport.connect((delivery) => {
        deliveries.push(delivery);
        setImmediate(() => {
          delivery.session.settle([delivery], 'done');
          settled += 1;
        });
        return true;
      });
      await until('the retained message to be settled', () => settled > 0);
      if (connection === 5) await place.retain('');
      await session.stop(soon());
    }
    const last = await transport.connect((delivery) => deliveries.push(delivery) > 0);
    await place.publish(1);
    await arrive(deliveries, 2);
    t.deepEqual(
      deliveries.map(({ body }) => textOf(body)),
      ['not json', 'message 0'],
    );
    await last.stop(soon());
  },
);
