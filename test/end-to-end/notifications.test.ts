import { randomUUID } from 'node:crypto';
import ava from 'ava';
import { brokerKinds } from '../faults/broker-kinds.ts';
import { startConductorHere } from '../support/conductor.ts';
import { createDatabase } from '../support/database.ts';
import { listenForNotifications } from '../support/listeners.ts';
import { noticeBody } from '../support/notices.ts';
import { needs } from '../support/services.ts';
import { waitFor } from '../support/wait.ts';

for (const { label, service, open } of brokerKinds) {
  needs(
    ava,
    service,
    'postgres',
  )(
    `${label}: notifications are published in order for each instance, with an id, and leave no row`,
    async (t) => {
      const database = await createDatabase(t, { migrated: true });
      const broker = await open(t);
      await broker.keep();
      const topic = `notices-${randomUUID()}`;
      const { heard } = await listenForNotifications(t, broker.entry(), `${topic}.info`);
      const conductor = await startConductorHere(t, {
        database: database.url,
        transports: { guests: broker.entry() },
        // One batch after the other: of two at once, either may be the first to commit.
        settings: { notifications: { topic }, workers: { threads: 1, concurrency: 1 } },
      });
      const instances = Array.from({ length: 10 }, () => randomUUID());
      const messages = instances.flatMap((instance) =>
        [0, 1, 2].map((n) => ({ instance, id: `${instance} ${n}` })),
      );
      await broker.publish(
        messages.map(({ instance, id }) => ({
          sender: instance,
          body: noticeBody(broker.form, instance, id),
        })),
      );
      await waitFor(() => heard.length >= messages.length, { what: 'all notifications' });
      const ofInstance = (instance: string) =>
        heard.map(({ requestId }) => requestId).filter((id) => id.startsWith(instance));
      for (const instance of instances)
        t.deepEqual(
          ofInstance(instance),
          messages.filter((one) => one.instance === instance).map(({ id }) => id),
        );
      const ids = new Set(heard.map(({ messageId }) => messageId));
      t.is(ids.size, messages.length);
      t.false(ids.has(undefined));
      await waitFor(async () => (await database.query('SELECT FROM notification_outbox')).length === 0, {
        what: 'the rows to be deleted',
      });
      const counters = conductor.counters.get('guests');
      await waitFor(() => counters?.held === 0, { what: 'the messages to be settled' });
      t.is(counters?.outcomes.applied, messages.length);
    },
  );
}
