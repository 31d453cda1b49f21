import ava from 'ava';
import { pino } from 'pino';
import { trimDeadLettersJob } from '../../src/jobs/trim.ts';
import { createDatabase } from '../support/database.ts';
import { jobsDatabaseOf } from '../support/maintain.ts';
import { needs } from '../support/services.ts';
import { openContext } from '../support/worker.ts';

const test = needs(ava, 'postgres');

for (const { limits, left, line } of [
  { limits: { maxRows: 1000, maxAge: 3_600_000 }, left: ['2', '3'], line: /maxAge/ },
  { limits: { maxRows: 1, maxAge: 100 * 365 * 86_400_000 }, left: ['3'], line: /maxRows/ },
]) {
  test(`dead letters beyond ${JSON.stringify(limits)} are deleted, the oldest first, and a line says why`, async (t) => {
    const database = await createDatabase(t, { migrated: true });
    const lines: string[] = [];
    const logger = pino({}, { write: (text: string) => void lines.push(text) });
    await database.query(`
      INSERT INTO dead_letters (transport, reason, body, body_size, body_digest, died_at)
      SELECT 'plain', 'not_json', age::text::bytea, 1, '\\x00', now() - (3 - age) * interval '50 minutes'
      FROM generate_series(1, 3) AS age`);
    const job = trimDeadLettersJob({ database: jobsDatabaseOf(openContext(t, database)), ...limits, logger });
    t.deepEqual(await job.run(new AbortController().signal), { isUnfinished: false });
    const rows = await database.query<{ body: Buffer }>('SELECT body FROM dead_letters ORDER BY id');
    t.deepEqual(
      rows.map(({ body }) => String(body)),
      left,
    );
    t.is(lines.length, 1);
    t.regex(lines[0] ?? '', line);
  });
}

test('a dead letter that waits for its redrive is not deleted because there are too many, but because of its age', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  const logger = pino({ level: 'silent' });
  await database.query(`
    INSERT INTO dead_letters (transport, reason, body_size, body_digest, redrive_at, redriven_at)
    VALUES ('plain', 'refused', 1, '', now(), NULL), ('plain', 'refused', 1, '', now(), now()), ('plain', 'refused', 1, '', NULL, NULL)`);
  const context = openContext(t, database);
  const trim = (limits: { maxRows: number; maxAge: number }) =>
    trimDeadLettersJob({ database: jobsDatabaseOf(context), ...limits, logger }).run(
      new AbortController().signal,
    );
  await trim({ maxRows: 1, maxAge: 3_600_000 });
  t.deepEqual(await database.query('SELECT id::integer AS id FROM dead_letters ORDER BY id'), [
    { id: 1 },
    { id: 3 },
  ]);
  await database.query("UPDATE dead_letters SET died_at = now() - interval '2 hours'");
  await trim({ maxRows: 10, maxAge: 3_600_000 });
  t.deepEqual(await database.query('SELECT FROM dead_letters'), []);
});
