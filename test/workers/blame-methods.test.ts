import ava from 'ava';
import { applied } from '../../src/core/message/outcome.ts';
import type { CastMethod } from '../../src/public/manager.ts';
import { createManager } from '../../src/workers/methods/table.ts';
import { createDatabase } from '../support/database.ts';
import { needs } from '../support/services.ts';
import { apply, heartbeat, insertInstances, native, openContext, raw } from '../support/worker.ts';

const test = needs(ava, 'postgres');

const ids = Array.from({ length: 1000 }, (_, index) => `i${index}`);

/** A method of a deployer's own that does this for a message that asks for it. */
function withMethod(apply: CastMethod<{ instanceId: string; key: string; guard: undefined }>['apply']) {
  const method: CastMethod<{ instanceId: string; key: string; guard: undefined }> = {
    parse: ({ instance_id: id }) => ({ instanceId: String(id), key: String(id), guard: undefined }),
    toWire: ({ instanceId }) => ({ instance_id: instanceId }),
    apply,
  };
  return { ...createManager(), own: method };
}

const fails = (what: string, fail: () => never) => [what, fail] as const;
for (const [what, fail] of [
  fails('a TypeError', () => {
    throw new TypeError('cannot read properties of undefined');
  }),
  fails('an error of its own', () => {
    throw new Error('not today');
  }),
  fails('something that is no error', () => {
    // biome-ignore lint/complexity/useLiteralKeys: a value that no one expects to be thrown.
    throw { ['odd']: true };
  }),
] as const) {
  test(`if a method throws ${what} for one message, that message is dead and the others are applied`, async (t) => {
    const database = await createDatabase(t, { migrated: true });
    const context = {
      ...openContext(t, database),
      manager: withMethod(async (_, batch) => {
        if (batch.some(({ instanceId }) => instanceId === 'i13')) fail();
        return batch.map(() => applied);
      }),
    };
    const outcomes = await apply(
      context,
      ids.map((id) => native('own', { instance_id: id })),
    );
    t.deepEqual(
      outcomes,
      ids.map((id) => (id === 'i13' ? 'dead: refused' : 'applied')),
    );
    t.is((await database.query('SELECT FROM dead_letters')).length, 1);
  });
}

test('a message without an outcome from its method is dead, not held', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  const context = {
    ...openContext(t, database),
    manager: withMethod(async (_, batch) => batch.slice(1).map(() => applied)),
  };
  const outcomes = await apply(context, [
    native('own', { instance_id: 'i1' }),
    native('own', { instance_id: 'i2' }),
  ]);
  t.deepEqual(outcomes, ['applied', 'dead: refused']);
  const [letter] = await database.query('SELECT detail FROM dead_letters');
  t.is(letter?.detail, 'method own left out the outcome of this message');
});

test('a method that swallows a database error affects only its own messages', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  const context = {
    ...openContext(t, database),
    manager: withMethod(async (db, batch) => {
      if (batch.some(({ instanceId }) => instanceId === 'i3'))
        await db.query('', 'SELECT 1 / 0', []).catch(() => {});
      return batch.map(() => applied);
    }),
  };
  await insertInstances(database, 'i1');
  const outcomes = await apply(context, [
    ...['i1', 'i2', 'i3', 'i4'].map((id) => native('own', { instance_id: id })),
    heartbeat('i1', 1, 'running'),
    raw('no JSON'),
  ]);
  t.deepEqual(outcomes, ['applied', 'applied', 'dead: refused', 'applied', 'applied', 'dead: not_json']);
});

test('a table that is altered under prepared statements delays no message: each connection is renewed at once', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  const context = openContext(t, database, { concurrency: 4 });
  await insertInstances(database, ...ids);
  // Each connection of the pool has prepared the statements, those for stale messages too.
  const round = (sent: number) =>
    Promise.all(
      Array.from({ length: 4 }, () =>
        apply(
          context,
          ids
            .slice(0, 100)
            .flatMap((id) => [heartbeat(id, sent, 'running'), heartbeat(id, sent - 2, 'running')]),
        ),
      ),
    );
  await round(10);
  await round(11);
  await database.query('ALTER TABLE service_statuses ALTER instance_id TYPE varchar(64)');
  const begin = performance.now();
  const outcomes = (await round(12)).flat();
  t.true(performance.now() - begin < 1000);
  t.deepEqual(
    outcomes.filter((outcome) => !['applied', 'stale', 'duplicate', 'deferred: locked'].includes(outcome)),
    [],
  );
});
