import ava from 'ava';
import type { JsonObject } from '../../src/core/json.ts';
import { compile } from '../support/schemas.ts';
import { needs } from '../support/services.ts';
import { insertInstances } from '../support/worker.ts';
import { openCaller } from './support.ts';

const test = needs(ava, 'postgres');

test('the answer of each method matches the schema of its result', async (t) => {
  const { answer, context, database } = await openCaller(t);
  const seen = new Set<string>();
  const check = async (method: string, args: JsonObject) => {
    const { result, error } = await answer(method, args);
    t.is(error, undefined, method);
    const matches = compile(context.manager[method]?.description?.result ?? {});
    t.true(matches(result), `${method}: ${JSON.stringify(result)} ${JSON.stringify(matches.errors)}`);
    seen.add(method);
  };
  await insertInstances(database, 'i-1');
  await database.query(
    "INSERT INTO service_statuses (id, instance_id, status_id, status_description) VALUES ('s-1', 'i-1', 1, 'running')",
  );
  await check('ping', {});
  await check('heartbeat_interval', {});
  await check('await_status', { instance_id: 'i-1', status: 'running' });
  const id = '5b7ce4e4-6d9c-4dbd-a2b2-5b2f9d8d2c11';
  await check('model_create', { model: 'thing', values: { id, name: 'a' } });
  await check('model_create', { model: 'thing', values: [{ name: 'b' }, { name: 'c' }] });
  await check('model_get', { model: 'thing', id });
  await check('model_list', { model: 'thing', limit: 1 });
  await check('model_list', { model: 'thing' });
  await check('model_update', { model: 'thing', id, values: { name: 'd' } });
  await check('model_update', { model: 'thing', filters: { name: 'b' }, values: { name: 'e' } });
  await check('model_delete', { model: 'thing', id });
  const described = Object.entries(context.manager).filter(
    ([, one]) => one.description?.result !== undefined,
  );
  t.deepEqual(seen, new Set(described.map(([name]) => name)));
});
