import ava from 'ava';
import { readAccess } from '../../src/core/config/access.ts';
import { ConfigError } from '../../src/core/errors.ts';
import { missingFromModels } from '../../src/workers/methods/models/check.ts';
import { needs } from '../support/services.ts';
import { openCaller } from './support.ts';

/** A service with `tenants` reaches the rows of these tenants only, whatever its call says. */

const test = needs(ava, 'postgres');

const everything = { read: '*', write: '*', delete: true };
const methods = ['model_create', 'model_get', 'model_list', 'model_update', 'model_delete'];
const models = {
  instance: { table: 'instances', read: { except: ['encrypted_key'] } },
  backup: { table: 'backups' },
  status: { table: 'service_statuses', tenant: { column: 'instance_id', of: 'instance' } },
};
const access = readAccess(models, {
  api: { methods: '*', models: { instance: everything, backup: everything, status: everything } },
  acme: {
    methods,
    tenants: ['acme', 'acme-eu'],
    models: { instance: everything, backup: everything, status: everything },
  },
});
const acme = { sender: 'acme' };

async function start(t: Parameters<typeof openCaller>[0]) {
  const caller = await openCaller(t, { access });
  const { database } = caller;
  await database.query(`
    INSERT INTO instances (id, name, tenant_id, deleted) VALUES
      ('a1', 'a1', 'acme', false), ('a2', 'a2', 'acme-eu', false), ('b1', 'b1', 'other', false), ('n1', 'n1', NULL, false);
    INSERT INTO backups (id, name, tenant_id, state, instance_id, deleted) VALUES
      ('ba', 'ba', 'acme', 'NEW', 'a1', false), ('bb', 'bb', 'other', 'NEW', 'b1', false);
    INSERT INTO service_statuses (id, instance_id, status_id, status_description) VALUES
      ('sa', 'a1', 1, 'running'), ('sb', 'b1', 1, 'running')`);
  const before = await everythingIn(database);
  return { ...caller, before };
}

const everythingIn = ({ query }: { query: (sql: string) => Promise<unknown[]> }) =>
  Promise.all(
    ['instances', 'backups', 'service_statuses'].map((table) => query(`SELECT * FROM ${table} ORDER BY id`)),
  );

test('a list has the rows of the tenants only, by whatever it is filtered, ordered and paged', async (t) => {
  const { result } = await start(t);
  const idsOf = async (args: object) => {
    const { rows } = await result('model_list', { model: 'instance', ...args }, acme);
    return Array.isArray(rows) ? rows.map(({ id }) => id) : rows;
  };
  t.deepEqual(await idsOf({}), ['a1', 'a2']);
  t.deepEqual(await idsOf({ filters: { tenant_id: 'other' } }), []);
  t.deepEqual(await idsOf({ filters: { tenant_id: { ne: 'acme' } } }), ['a2']);
  t.deepEqual(await idsOf({ filters: { tenant_id: null } }), []);
  t.deepEqual(await idsOf({ filters: { id: { in: ['a1', 'b1', 'n1'] } } }), ['a1']);
  t.deepEqual(await idsOf({ filters: { name: { like: '%' } }, order_by: ['-tenant_id'] }), ['a2', 'a1']);
  t.deepEqual(await idsOf({ limit: 1, marker: 'a1' }), ['a2']);
  t.deepEqual(await idsOf({ include_deleted: true }), ['a1', 'a2']);
  const { rows } = await result('model_list', { model: 'status' }, acme);
  t.like(rows, [{ id: 'sa' }]);
});

for (const [what, method, args, refused] of [
  [
    'get of another tenant’s row',
    'model_get',
    { model: 'instance', id: 'b1' },
    'NotFound id: args.id names no instance',
  ],
  [
    'get of a row without a tenant',
    'model_get',
    { model: 'instance', id: 'n1' },
    'NotFound id: args.id names no instance',
  ],
  [
    'get of a row whose instance is another tenant’s',
    'model_get',
    { model: 'status', id: 'sb' },
    'NotFound id: args.id names no status',
  ],
  [
    'marker of another tenant',
    'model_list',
    { model: 'instance', marker: 'b1' },
    'BadRequest marker: args.marker names no row',
  ],
  [
    'update of another tenant’s row',
    'model_update',
    { model: 'instance', id: 'b1', values: { name: 'x' } },
    'NotFound id: args.id names no instance',
  ],
  [
    'update of a status of another tenant’s instance',
    'model_update',
    { model: 'status', id: 'sb', values: { status_description: 'x' } },
    'NotFound id: args.id names no status',
  ],
  [
    'delete of another tenant’s row',
    'model_delete',
    { model: 'backup', id: 'bb' },
    'NotFound id: args.id names no backup',
  ],
  [
    'update that gives a row away',
    'model_update',
    { model: 'instance', id: 'a1', values: { tenant_id: 'other' } },
    'Forbidden values: args.values make a row of a tenant that the sender is not granted (services)',
  ],
  [
    'update that takes a row’s tenant away',
    'model_update',
    { model: 'instance', id: 'a1', values: { tenant_id: null } },
    'Forbidden values: args.values make a row of a tenant that the sender is not granted (services)',
  ],
  [
    'update of many rows, one of which is given away',
    'model_update',
    { model: 'status', ids: ['sa'], values: { instance_id: 'n1' } },
    'Forbidden values: args.values make a row of a tenant that the sender is not granted (services)',
  ],
  [
    'create for another tenant',
    'model_create',
    { model: 'instance', values: { id: 'x', name: 'x', tenant_id: 'other' } },
    'Forbidden values: args.values make a row of a tenant that the sender is not granted (services)',
  ],
  [
    'create without a tenant',
    'model_create',
    { model: 'instance', values: { id: 'x', name: 'x' } },
    'Forbidden values: args.values make a row of a tenant that the sender is not granted (services)',
  ],
  [
    'bulk create with one row for another tenant',
    'model_create',
    {
      model: 'backup',
      values: [
        { id: 'x', name: 'x', state: 'NEW', tenant_id: 'acme' },
        { id: 'y', name: 'y', state: 'NEW', tenant_id: 'other' },
      ],
    },
    'Forbidden values: args.values make a row of a tenant that the sender is not granted (services)',
  ],
  [
    'create of a status for another tenant’s instance',
    'model_create',
    { model: 'status', values: { id: 'x', instance_id: 'n1', status_id: 1, status_description: 'new' } },
    'Forbidden values: args.values make a row of a tenant that the sender is not granted (services)',
  ],
] as const) {
  test(`a ${what} is refused and changes nothing`, async (t) => {
    const { refusal, database, before } = await start(t);
    t.is(await refusal(method, args, acme), refused);
    t.deepEqual(await everythingIn(database), before);
    const letters = await database.query('SELECT reason, sender FROM dead_letters');
    t.deepEqual(letters, refused.startsWith('Forbidden') ? [{ reason: 'forbidden', sender: 'acme' }] : []);
  });
}

test('an update by ids or filters changes the rows of the tenants only', async (t) => {
  const { result, database } = await start(t);
  const update = (args: object) =>
    result('model_update', { model: 'instance', values: { name: 'new' }, ...args }, acme);
  t.like(await update({ ids: ['a1', 'b1'] }), { count: 1 });
  t.like(await update({ filters: { name: { like: '%' } } }), { count: 2 });
  t.deepEqual(await database.query("SELECT id FROM instances WHERE name = 'new' ORDER BY id"), [
    { id: 'a1' },
    { id: 'a2' },
  ]);
});

test('a service with tenants creates, updates and deletes the rows of its own', async (t) => {
  const { result } = await start(t);
  const values = { id: 'a3', name: 'a3', tenant_id: 'acme' };
  t.like(await result('model_create', { model: 'instance', values }, acme), { id: 'a3' });
  t.like(await result('model_update', { model: 'instance', id: 'a3', values: { name: 'b' } }, acme), {
    name: 'b',
  });
  t.deepEqual(await result('model_delete', { model: 'instance', id: 'a3' }, acme), { count: 1 });
});

test('a service without tenants sees all rows', async (t) => {
  const { result } = await start(t);
  const { rows } = await result('model_list', { model: 'instance' });
  t.is(Array.isArray(rows) && rows.length, 4);
});

for (const [what, given, services, message] of [
  [
    'all methods',
    models,
    { api: { methods: '*', tenants: ['a'] } },
    /^services\.api\.methods: '\*' does not keep to services\.api\.tenants/,
  ],
  [
    'a method of guests',
    models,
    { api: { methods: ['heartbeat'], tenants: ['a'] } },
    /^services\.api\.methods: heartbeat does not keep/,
  ],
  [
    'a model that is missing',
    { s: { table: 's', tenant: { column: 'x', of: 'y' } } },
    {},
    /^models\.s\.tenant\.of: is not one of models/,
  ],
  [
    'a chain of models',
    { ...models, x: { table: 'x', tenant: { column: 'y', of: 'status' } } },
    {},
    /^models\.x\.tenant\.of: status has no column with the tenant itself$/,
  ],
  ['a number', { s: { table: 's', tenant: 1 } }, {}, /^models\.s\.tenant: must be a map/],
] as const) {
  test(`tenants with ${what} are refused by the configuration`, (t) => {
    t.throws(() => readAccess(given, services), { instanceOf: ConfigError, message });
  });
}

test('the start refuses a table without the column by which a service keeps to its tenants', async (t) => {
  const { database } = await openCaller(t);
  const scoped = readAccess(
    { seen: { table: 'pairs' } },
    { acme: { methods, tenants: ['acme'], models: { seen: everything } } },
  );
  t.is(
    await missingFromModels({ query: (_, text, values) => database.query(text, [...values]) }, scoped),
    'models.seen.tenant: pairs has no column tenant_id, by which services keep to their tenants',
  );
});
