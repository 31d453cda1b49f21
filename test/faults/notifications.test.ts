import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import ava from 'ava';
import { type ConductorProcess, spawnConductor } from '../support/conductor.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { listenForNotifications } from '../support/listeners.ts';
import { noticeBody } from '../support/notices.ts';
import { needs } from '../support/services.ts';
import { waitFor } from '../support/wait.ts';
import { brokerKinds } from './broker-kinds.ts';

/** How often a conductor is killed, on each broker. */
const kills = Number(process.env.CONDUCTOR_TEST_KILLS ?? 4);
/** It decides when. */
const firstSeed = Number(process.env.CONDUCTOR_TEST_SEED ?? Math.floor(Math.random() * 2 ** 31));

const guests = 20;
/** Messages for each conductor that is killed. */
const burst = 200;
/** Milliseconds. The claims of a killed conductor hold for half a minute. */
const patience = 120_000;

/** Storing and deleting take a while, so that a kill finds something half done. */
const slow = `
  CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.03); RETURN NULL; END $$;
  CREATE TRIGGER slow AFTER INSERT OR DELETE ON notification_outbox FOR EACH STATEMENT EXECUTE FUNCTION slow()`;

/** A linear congruential generator: the same numbers, 0 to 1, for the same seed. */
function numbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

async function rowsOf(database: TestDatabase): Promise<number> {
  const [row] = await database.query<{ count: number }>(
    'SELECT count(*)::int AS count FROM notification_outbox',
  );
  return row?.count ?? 0;
}

for (const { label, service, open } of brokerKinds) {
  needs(
    ava,
    service,
    'postgres',
  )(`${label}: each notification is published, however often a conductor is killed`, async (t) => {
    t.timeout(patience + kills * 30_000);
    const random = numbers(firstSeed);
    t.log({ seed: firstSeed, kills });
    const database = await createDatabase(t, { migrated: true });
    await database.query(slow);
    const broker = await open(t);
    await broker.keep();
    const topic = `notices-${randomUUID()}`;
    const { heard } = await listenForNotifications(t, broker.entry(), `${topic}.info`);
    const distinct = () => new Set(heard.map(({ requestId }) => requestId)).size;
    const start = (): ConductorProcess =>
      spawnConductor(t, {
        database: database.url,
        transports: { guests: broker.entry() },
        settings: { notifications: { topic }, workers: { maxBatch: 16 } },
      });
    const instances = Array.from({ length: guests }, () => randomUUID());
    const sent: string[] = [];
    const send = () => {
      const messages = Array.from({ length: burst }, (_, n) => {
        const instance = instances[n % guests] ?? '';
        const id = `${instance} ${sent.length}`;
        sent.push(id);
        return { sender: instance, body: noticeBody(broker.form, instance, id) };
      });
      return broker.publish(messages);
    };

    /** Kills that left notifications in the outbox. */
    let leaving = 0;
    for (let kill = 0; kill < kills; kill += 1) {
      const victim = start();
      const before = heard.length;
      await send();
      const wanted = before + 1 + Math.floor(random() * burst * 0.8);
      // At the first row, in the middle, or a moment after it.
      if (kill % 3 === 0)
        await waitFor(async () => (await rowsOf(database)) > 0, {
          what: 'a notification in the outbox',
          timeout: patience,
          interval: 1,
          process: victim,
        });
      else
        await waitFor(() => heard.length >= wanted, {
          what: 'some notifications',
          timeout: patience,
          interval: 1,
          process: victim,
        });
      if (kill % 3 === 2) await sleep(random() * 200);
      await victim.kill();
      if ((await rowsOf(database)) > 0) leaving += 1;
    }

    const last = start();
    await waitFor(() => distinct() === sent.length, {
      what: 'every notification',
      timeout: patience,
      process: last,
    }).catch(() => {});
    const all = new Set(heard.map(({ requestId }) => requestId));
    t.deepEqual(
      sent.filter((id) => !all.has(id)),
      [],
      'these were lost',
    );
    // A repetition has the same id.
    const ids = new Map(heard.map(({ requestId, messageId }) => [requestId, messageId]));
    t.true(
      heard.every(({ requestId, messageId }) => messageId !== undefined && ids.get(requestId) === messageId),
    );
    t.is(new Set(ids.values()).size, sent.length);
    await waitFor(async () => (await rowsOf(database)) === 0, { what: 'an empty outbox', timeout: patience });
    t.deepEqual(await database.query('SELECT reason FROM dead_letters'), []);
    t.deepEqual(await database.query('SELECT reason FROM deferred'), []);
    last.signal('SIGTERM');
    t.deepEqual(await last.exited, { code: 0, signal: null }, last.output());
    t.log({ sent: sent.length, heard: heard.length, repeated: heard.length - sent.length, leaving });
    t.true(leaving > 0, 'a kill has left notifications in the outbox');
  });
}
