import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import ava from 'ava';
import { configurationOf, runConductor, startConductorProcess } from '../support/conductor.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { needs, service } from '../support/services.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { waitFor } from '../support/wait.ts';
import { openRabbitmq } from './brokers.ts';
import { Fleet } from './fleet.ts';

/** Dead letters. CONDUCTOR_TEST_REDRIVE=100000 for the full proof. */
const letters = Number(process.env.CONDUCTOR_TEST_REDRIVE ?? 3000);
/** Letters a second: the redrive takes a few seconds, and a minute of the full proof. */
const rate = Math.max(500, letters / 60);
/** Heartbeats that flow meanwhile, and milliseconds between two portions of them. */
const portion = 200;
const pace = 100;
/** Milliseconds that the redrive may take beyond its rate. */
const patience = 60_000;

/**
 * Makes the letters: each about a backup of its own, in oslo's form and without `sent`. So no guard hides a message that acts twice.
 * The database keeps each change. It slows down the command, so that it can be killed half way.
 */
async function makeLetters(database: TestDatabase): Promise<void> {
  await database.query(`
    INSERT INTO instances (id, name, deleted) SELECT 'owner-' || n, 'o', false FROM generate_series(0, 99) AS n;
    INSERT INTO backups (id, name, state, instance_id, deleted)
    SELECT 'backup-' || n, 'b', 'NEW', 'owner-' || n % 100, false FROM generate_series(1, ${letters}) AS n;
    CREATE TABLE backup_changes (backup_id text);
    CREATE FUNCTION keep_backup_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN INSERT INTO backup_changes VALUES (new.id); RETURN NULL; END $$;
    CREATE TRIGGER keep_backup_change AFTER UPDATE ON backups FOR EACH ROW EXECUTE FUNCTION keep_backup_change();
    CREATE FUNCTION slow_command() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF current_setting('application_name') = 'conductor command' THEN PERFORM pg_sleep(0.2); END IF;
      RETURN NULL;
    END $$;
    CREATE TRIGGER slow_command BEFORE UPDATE ON dead_letters FOR EACH STATEMENT EXECUTE FUNCTION slow_command();
    INSERT INTO dead_letters (transport, reason, message_id, body, body_size, body_digest)
    SELECT 'guests', 'refused', 'm' || n, body, octet_length(body), sha256(body)
    FROM (SELECT n, convert_to(json_build_object('oslo.version', '2.0', 'oslo.message', json_build_object(
        'method', 'update_backup', 'version', '1.0', '_unique_id', 'm' || n,
        'args', json_build_object('instance_id', 'owner-' || n % 100, 'backup_id', 'backup-' || n, 'state', 'COMPLETED'))::text)::text,
        'UTF8') AS body
      FROM generate_series(1, ${letters}) AS n) AS made`);
}

async function countOf(database: TestDatabase, condition: string): Promise<number> {
  const [row] = await database.query<{ count: number }>(
    `SELECT count(*)::integer AS count FROM dead_letters WHERE ${condition}`,
  );
  return row?.count ?? 0;
}

needs(
  ava,
  'rabbitmq',
  'postgres',
)(
  `redrive: each of ${letters} dead letters acts once and not before its time, while traffic flows, a replica is killed, and the command is killed half way and run again`,
  async (t) => {
    t.timeout(4 * patience + (letters / rate) * 2000);
    const database = await createDatabase(t, { migrated: true });
    const fleet = new Fleet(200);
    await fleet.register(database);
    await makeLetters(database);
    const broker = await openRabbitmq(t, service('rabbitmq'), 'oslo');
    const optionsOf = (replica: string) => ({
      database: database.url,
      transports: { guests: broker.entry() },
      settings: { replica, deadLetters: { maxRows: 10 * letters } },
    });
    const victim = await startConductorProcess(t, optionsOf('one'));
    await startConductorProcess(t, optionsOf('two'));
    let marked = 0;
    let isFlowing = true;
    const flow = async () => {
      while (isFlowing) {
        await broker.publish(fleet.heartbeats(portion, broker.form));
        await sleep(pace);
      }
    };
    const flowing = flow();
    try {
      const file = join(temporaryDirectory('redrive'), 'conductor.yaml');
      writeFileSync(file, configurationOf(optionsOf('command')));
      const args = ['dead', 'redrive', '--all', '--rate', String(rate), '--by', 'ann', '--config', file];
      const first = runConductor(t, args);
      await waitFor(async () => (await countOf(database, 'redrive_at IS NOT NULL')) >= letters / 3, {
        what: 'a third of the letters to be marked',
        timeout: patience,
        interval: 5,
        process: first,
      });
      t.deepEqual(await first.kill(), { code: null, signal: 'SIGKILL' });
      // Its last statement may still run.
      await waitFor(
        async () =>
          (await database.query("SELECT FROM pg_stat_activity WHERE application_name = 'conductor command'"))
            .length === 0,
        { what: 'the killed command to be gone', timeout: patience },
      );
      marked = await countOf(database, 'redrive_at IS NOT NULL');
      t.true(marked > 0 && marked < letters, `${marked} letters were marked before the kill`);
      const second = runConductor(t, args);
      t.deepEqual(await second.exited, { code: 0, signal: null }, second.output());
      t.regex(second.stdout(), new RegExp(`^${letters - marked} dead letters are to be redriven`));

      await waitFor(async () => (await countOf(database, 'redriven_at IS NOT NULL')) > letters / 3, {
        what: 'a third to be redriven',
        timeout: patience + (letters / rate) * 1000,
      });
      t.deepEqual(await victim.kill(), { code: null, signal: 'SIGKILL' });
      t.true((await countOf(database, 'redriven_at IS NULL')) > 0, 'it was killed in the middle');
      await waitFor(async () => (await countOf(database, 'redriven_at IS NULL')) === 0, {
        what: 'all letters to be redriven',
        timeout: patience + (letters / rate) * 1000,
        interval: 100,
      });
    } finally {
      isFlowing = false;
      await flowing;
    }
    await fleet.arrives(database);

    // A letter that a batch of the killed replica had locked for a moment is deferred, and applied from there.
    t.is(
      await countOf(
        database,
        "redrive_outcome IN ('applied', 'deferred') AND redrives = 1 AND redrive_by = 'ann'",
      ),
      letters,
    );
    const acted = await database.query<{ times: number; backups: number }>(
      'SELECT times::integer, count(*)::integer AS backups FROM (SELECT count(*) AS times FROM backup_changes GROUP BY backup_id) AS acts GROUP BY times',
    );
    t.deepEqual(acted, [{ times: 1, backups: letters }]);
    t.is(await countOf(database, 'redriven_at < redrive_at'), 0, 'none before its time');
    // The end of the first command and the beginning of the second one share an instant.
    const [spacing] = await database.query<{ least: number; seconds: number }>(
      `SELECT min(gap)::double precision AS least, max(seconds)::double precision AS seconds FROM (
       SELECT extract(epoch FROM redrive_at - lag(redrive_at, $1) OVER (ORDER BY redrive_at)) AS gap,
         extract(epoch FROM redriven_at - min(redrive_at) OVER ()) AS seconds
       FROM dead_letters) AS gaps`,
      [Math.floor(rate) + 1],
    );
    const figures = { letters, marked, rate, ...spacing, lettersASecond: letters / (spacing?.seconds ?? 1) };
    t.log(figures);
    if (process.env.CONDUCTOR_TEST_REDRIVE !== undefined)
      process.stderr.write(`${JSON.stringify(figures)}\n`);
    t.true((spacing?.least ?? 0) >= 0.999, 'never more letters in a second than the rate');
  },
);
