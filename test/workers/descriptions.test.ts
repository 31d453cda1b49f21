import test, { type ExecutionContext } from 'ava';
import fc from 'fast-check';
import { CallRefused, Rejected } from '../../src/core/errors.ts';
import { isObject, type JsonObject } from '../../src/core/json.ts';
import type { Envelope } from '../../src/core/message/envelope.ts';
import { type CallMethod, type CastMethod, takesBatches } from '../../src/workers/methods/contract.ts';
import { readFilters, readLimit, readRowIds } from '../../src/workers/methods/models/arguments.ts';
import { baseTraits } from '../../src/workers/methods/notify/notification.ts';
import { createManager } from '../../src/workers/methods/table.ts';
import { compile } from '../support/schemas.ts';

/** The schema of a method accepts the arguments that its `parse` accepts, and refuses the others. */

const manager = createManager();

const traits = Object.fromEntries(baseTraits.map((name) => [name, 'x']));
const serialized = (name: string, more: object = {}) => ({
  notification_classname: `trove.common.notification.DBaaS${name}`,
  instance_id: 'i1',
  ...traits,
  ...more,
});
const error = { message: 'it broke', exception: ['Traceback\n'] };

/** Arguments that each method accepts. */
const valid: Readonly<Record<string, ReadonlyArray<JsonObject>>> = {
  heartbeat: [
    { instance_id: 'i1', sent: 1.5, payload: { service_status: 'running' } },
    { instance_id: 'i1', sent: 1, payload: {} },
  ],
  update_backup: [
    { instance_id: 'i1', backup_id: 'b1', sent: 1, state: 'NEW', size: 1, checksum: null, location: 'l' },
    { instance_id: 'i1', backup_id: 'b1', sent: 1, size: null, backup_type: 't', success: true },
  ],
  report_root: [{ instance_id: 'i1' }, { instance_id: 'i1', user: 'admin' }],
  notify_end: [
    { serialized_notification: serialized('InstanceCreate') },
    { serialized_notification: serialized('BackupCreate', { backup_id: 'b1' }), notification_args: {} },
    { serialized_notification: serialized('ClusterGrow'), notification_args: { cluster_id: 'c1' } },
    {
      serialized_notification: serialized('UserGrant', { instance_id: null, server_type: {} }),
      notification_args: { instance_id: 'i1', server_type: 'guest' },
    },
  ],
  notify_exc_info: [{ serialized_notification: serialized('InstanceCreate'), ...error }],
  ping: [{}, { any: 1 }],
  heartbeat_interval: [{}],
  await_status: [
    { instance_id: 'i1', status: 'running' },
    { instance_id: 'i1', status: ['running', 'healthy'], timeout: 600 },
  ],
  model_create: [
    { model: 'm', values: { a: 1 } },
    { model: 'm', values: [{ a: 1 }, {}] },
  ],
  model_get: [{ model: 'm', id: 'x', include_deleted: true }],
  model_list: [
    {
      model: 'm',
      filters: { a: 1, b: null, c: { gt: 1, null: false }, d: { in: [1] } },
      order_by: ['-a', 'b'],
    },
    { model: 'm', order_by: [{ column: 'a', direction: 'desc' }], limit: 10, marker: { a: 1 } },
  ],
  model_update: [
    { model: 'm', id: 1, values: { a: 1 }, if_updated: 'x' },
    { model: 'm', ids: ['x', 1], values: { a: 1 } },
    { model: 'm', filters: { a: { eq: 1 } }, values: { a: 1 } },
  ],
  model_delete: [{ model: 'm', id: { a: 1 }, if_updated: null }],
};

/** Values at which a reader may decide. */
const values = fc.oneof(
  fc.constantFrom<unknown>(
    ...[null, true, false, 0, 1, 1.5, -1, 600, 600.5, 1e11, 1e11 + 1, 1e300],
    ...['', 'running', 'i1', 'i2', 'asc'],
    ...[{}, [], [1], ['a'], [{}], [null], { a: 1 }, { eq: 1 }, { in: 1 }, { null: 1 }, { lt: 1, x: 1 }],
    ...['x'.repeat(32), 'x'.repeat(33), 'x'.repeat(36), '\u{1f426}'.repeat(36), 'x'.repeat(37)],
    ...['x'.repeat(255), 'x'.repeat(256), 'x'.repeat(1024), '\u{1f426}'.repeat(1025)],
    ...[['running'], ['running', '']],
    ...[{ column: 'a' }, { column: 'a', direction: 'up' }, [{ column: 'z' }], new Array(9).fill('a')],
    ...['QuotasX', 'Quotas', 'Delete', 'deleteIt', 'BackupDelete', 'ConfigurationCreate', 'ABc'].map(
      (name) => `trove.common.notification.DBaaS${name}`,
    ),
  ),
  fc.jsonValue({ maxDepth: 3 }),
);
const names = fc.constantFrom(
  ...['instance_id', 'backup_id', 'sent', 'payload', 'service_status', 'state', 'size', 'user', 'message'],
  ...['exception', 'notification_args', 'serialized_notification', 'notification_classname', 'server_type'],
  ...['cluster_id', 'backup_id', 'tenant_id', 'status', 'timeout', 'model', 'values', 'id', 'ids', 'filters'],
  ...['if_updated', 'include_deleted', 'limit', 'marker', 'order_by', 'a', 'eq', 'direction', 'column'],
  'like',
);

/** A place in the arguments, and what is written there; nothing: it is removed. */
const changes = fc.array(
  fc.record({
    place: fc.nat(),
    name: fc.option(names, { freq: 3 }),
    value: fc.option(values, { nil: undefined, freq: 5 }),
  }),
  { maxLength: 3 },
);

function changed(
  args: JsonObject,
  list: ReadonlyArray<{ place: number; name: string | null; value: unknown }>,
): JsonObject {
  const copy: JsonObject = structuredClone(args);
  for (const { place, name, value } of list) {
    const holders = [...objectsIn(copy)];
    const holder = holders[place % holders.length] ?? copy;
    const keys = Object.keys(holder);
    const key = name ?? keys[place % Math.max(1, keys.length)] ?? 'a';
    if (value === undefined) Reflect.deleteProperty(holder, key);
    else Reflect.set(holder, key, structuredClone(value));
  }
  return copy;
}

function* objectsIn(value: unknown): Generator<object> {
  if (typeof value !== 'object' || value === null) return;
  if (isObject(value)) yield value;
  for (const one of Object.values(value)) yield* objectsIn(one);
}

const envelope = (sentRequired: boolean): Envelope => ({
  ...{ method: 'm', args: {}, version: undefined, messageId: 'm1', context: undefined, call: undefined },
  sentRequired,
});

/** Whether the conductor accepts the arguments. Bounds that the configuration has are set to infinity. */
function isAccepted(name: string, args: JsonObject, sentRequired: boolean): boolean {
  const method = methodOf(name);
  try {
    if (takesBatches(method)) method.parse(args, envelope(sentRequired));
    else method.parse(args);
    // They are read where the configuration is known.
    if (name === 'model_list' && args.limit !== undefined) readLimit(args.limit, Number.POSITIVE_INFINITY);
    if (name === 'model_update' && 'ids' in args) readRowIds(args.ids, Number.POSITIVE_INFINITY);
    return true;
  } catch (error) {
    if (error instanceof Rejected || error instanceof CallRefused) return false;
    throw error;
  }
}

function methodOf(name: string): CastMethod | CallMethod {
  const method = manager[name];
  if (method === undefined) throw new Error(`there is no method ${name}`);
  return method;
}

/** The rules of descriptions that a JSON Schema cannot say. */
function breaksRule(args: JsonObject): boolean {
  const { serialized_notification: own, notification_args: added, order_by: order, filters } = args;
  if (isObject(own) && isObject(added) && added.instance_id !== undefined) {
    if ((own.instance_id ?? added.instance_id) !== added.instance_id) return true;
  }
  if (isObject(filters) && countOf(filters) > 32) return true;
  if (!Array.isArray(order)) return false;
  const columns = order.map((entry: unknown) =>
    typeof entry === 'string' ? entry.replace(/^-/, '') : isObject(entry) ? entry.column : undefined,
  );
  return new Set(columns).size < columns.length;
}

function countOf(filters: JsonObject): number {
  return Object.values(filters).reduce<number>(
    (sum, condition) => sum + (isObject(condition) ? Object.keys(condition).length : 1),
    0,
  );
}

function agree(t: ExecutionContext, name: string, sentRequired: boolean): void {
  const { description } = methodOf(name);
  if (description === undefined) throw new Error(`${name} has no description`);
  const { args: withSent, argsWithoutSent = withSent } = description;
  const matches = compile(sentRequired ? withSent : argsWithoutSent);
  const seen = { accepted: 0, refused: 0 };
  for (const args of valid[name] ?? []) t.true(isAccepted(name, args, true), JSON.stringify(args));
  const property = fc.property(fc.constantFrom(...(valid[name] ?? [])), changes, (base, list) => {
    const args = changed(base, list);
    const accepted = isAccepted(name, args, sentRequired);
    if (!accepted && breaksRule(args)) return;
    seen[accepted ? 'accepted' : 'refused'] += 1;
    if (matches(args) !== accepted)
      throw new Error(`parse ${accepted ? 'accepts' : 'refuses'} ${JSON.stringify(args)}`);
  });
  fc.assert(property, { numRuns: 700 });
  t.true(seen.accepted > 100, JSON.stringify(seen));
  const takesAnything = name === 'ping' || name === 'heartbeat_interval';
  if (!takesAnything) t.true(seen.refused > 100, JSON.stringify(seen));
}

test('every method of ours is described', (t) => {
  t.deepEqual(
    Object.keys(manager),
    Object.keys(valid).sort((a, b) => order(a) - order(b)),
  );
  for (const [name, { description }] of Object.entries(manager)) t.truthy(description?.summary, name);
});

const order = (name: string) => Object.keys(manager).indexOf(name);

for (const name of Object.keys(manager)) {
  test(`the schema of ${name} accepts what its parse accepts`, (t) => agree(t, name, true));
  if (manager[name]?.description?.argsWithoutSent !== undefined)
    test(`the schema of ${name} without sent accepts what its parse accepts in Trove's form`, (t) =>
      agree(t, name, false));
}

test('the rules that no schema says are those of the parsers', (t) => {
  const many = Object.fromEntries(Array.from({ length: 33 }, (_, index) => [`c${index}`, 1]));
  t.throws(() => readFilters(many), { instanceOf: CallRefused });
  const wide = Object.fromEntries(
    Array.from({ length: 11 }, (_, index) => [`c${index}`, { gt: 1, lt: 2, ne: 3 }]),
  );
  t.throws(() => readFilters(wide), { instanceOf: CallRefused });
  t.false(isAccepted('model_list', { model: 'm', order_by: ['a', '-a'] }, true));
  const other = {
    serialized_notification: serialized('InstanceDelete'),
    notification_args: { instance_id: 'i2' },
  };
  t.false(isAccepted('notify_end', other, true));
});
