import { ConfigError } from '../errors.ts';
import { isObject, type JsonObject, jsonTypeOf } from '../json.ts';
import { shown, suggestion } from './names.ts';

/** Columns of a table: the named ones, or all but the named ones. */
export interface Columns {
  readonly except: boolean;
  readonly names: ReadonlySet<string>;
}

/** A table that calls may name. */
export interface Model {
  /** As the catalog spells it, with or without its schema before a dot. */
  readonly table: string;
  /** The most that may be granted to anybody. */
  readonly read: Columns;
  readonly write: Columns;
  /** Where a row's tenant stands. */
  readonly tenant: TenantColumn;
}

/** The column with a row's tenant; or the column with the id of a row in another model, whose tenant counts. */
export interface TenantColumn {
  readonly column: string;
  /** The name of the other model; undefined: the column has the tenant itself. */
  readonly of: string | undefined;
}

/** The rights of a service on one model. */
export interface ModelGrant {
  readonly read: Columns;
  readonly write: Columns;
  readonly delete: boolean;
}

export interface Service {
  /** The methods that it may use; undefined: all of them. */
  readonly methods: ReadonlySet<string> | undefined;
  readonly models: ReadonlyMap<string, ModelGrant>;
  /** The tenants whose rows it may see and write; undefined: all rows. */
  readonly tenants: ReadonlyArray<string> | undefined;
}

/** All rights beyond a guest's own reports. Maps, since each message looks them up. */
export interface Access {
  readonly models: ReadonlyMap<string, Model>;
  readonly services: ReadonlyMap<string, Service>;
}

/** The entry of `services` for senders who prove nothing, on transports that let them. */
export const anonymous = 'anonymous';

const none: Columns = { except: false, names: new Set() };
const all: Columns = { except: true, names: new Set() };

export function includes({ except, names }: Columns, column: string): boolean {
  return names.has(column) !== except;
}

/**
 * Reads `models` and `services`. Grants nothing that they do not say.
 *
 * @throws ConfigError with the key and the expected form.
 */
export function readAccess(models: JsonObject, services: JsonObject): Access {
  const known = new Map(entriesOf(models, 'models', readModel));
  for (const [name, { tenant }] of known) checkTenant(tenant, `models.${shown(name)}.tenant`, known);
  return {
    models: known,
    services: new Map(entriesOf(services, 'services', (entry, key) => readService(entry, key, known))),
  };
}

function readModel(entry: unknown, key: string): Model {
  const { table, read, write, tenant } = mapOf(entry, key, ['table', 'read', 'write', 'tenant']);
  if (typeof table !== 'string' || !/^[^.]{1,63}(\.[^.]{1,63})?$/.test(table))
    throw new ConfigError(`${key}.table: must be the name of a table, or schema.table`);
  return {
    table,
    read: read === undefined ? all : readColumns(read, `${key}.read`),
    write: write === undefined ? all : readColumns(write, `${key}.write`),
    tenant: readTenant(tenant, `${key}.tenant`),
  };
}

function readTenant(value: unknown, key: string): TenantColumn {
  if (value === undefined) return { column: 'tenant_id', of: undefined };
  if (typeof value === 'string' && value !== '') return { column: value, of: undefined };
  const { column, of } = mapOf(value, key, ['column', 'of']);
  if (typeof column === 'string' && column !== '' && typeof of === 'string') return { column, of };
  throw new ConfigError(`${key}: must be a column, or { column: <column>, of: <model> }`);
}

/** A row's tenant stands in the row, or in the row of one other model. */
function checkTenant({ of }: TenantColumn, key: string, known: ReadonlyMap<string, Model>): void {
  if (of === undefined) return;
  const other = known.get(of);
  if (other === undefined)
    throw new ConfigError(`${key}.of: is not one of models${suggestion(of, known.keys())}`);
  if (other.tenant.of !== undefined)
    throw new ConfigError(`${key}.of: ${shown(of)} has no column with the tenant itself`);
}

function readService(entry: unknown, key: string, known: ReadonlyMap<string, Model>): Service {
  const { methods = [], models = {}, tenants } = mapOf(entry, key, ['methods', 'models', 'tenants']);
  return limited(key, {
    tenants: tenants === undefined ? undefined : namesOf(tenants, `${key}.tenants`, 'a list of tenants'),
    methods: methods === '*' ? undefined : new Set(namesOf(methods, `${key}.methods`, "'*' or a list")),
    models: new Map(
      entriesOf(models, `${key}.models`, (grant, grantKey, name) => {
        if (!known.has(name))
          throw new ConfigError(
            `${grantKey}: is not one of models: ${[...known.keys()].map(shown).join(', ') || 'there are none'}${suggestion(name, known.keys())}`,
          );
        return readGrant(grant, grantKey);
      }),
    ),
  });
}

/** The methods that keep to the tenants of a service. Any other method would let it reach the guests of all tenants. */
const withinTenants: ReadonlySet<string> = new Set([
  'model_create',
  'model_get',
  'model_list',
  'model_update',
  'model_delete',
  'ping',
]);

function limited(key: string, service: Service): Service {
  const { methods, tenants } = service;
  if (tenants === undefined) return service;
  const other = methods === undefined ? "'*'" : [...methods].find((name) => !withinTenants.has(name));
  if (other === undefined) return service;
  throw new ConfigError(
    `${key}.methods: ${other} does not keep to ${key}.tenants; a service with tenants may use ${[...withinTenants].join(', ')}`,
  );
}

function readGrant(entry: unknown, key: string): ModelGrant {
  const { read, write, delete: mayDelete = false } = mapOf(entry, key, ['read', 'write', 'delete']);
  if (typeof mayDelete !== 'boolean')
    throw new ConfigError(`${key}.delete: must be a boolean, not ${jsonTypeOf(mayDelete)}`);
  return {
    read: read === undefined ? none : readColumns(read, `${key}.read`),
    write: write === undefined ? none : readColumns(write, `${key}.write`),
    delete: mayDelete,
  };
}

function readColumns(value: unknown, key: string): Columns {
  if (value === '*') return all;
  const expected = "'*', a list of columns, or { except: a list of columns }";
  if (!isObject(value)) return { except: false, names: new Set(namesOf(value, key, expected)) };
  const { except } = mapOf(value, key, ['except']);
  return { except: true, names: new Set(namesOf(except, `${key}.except`, 'a list of columns')) };
}

function namesOf(value: unknown, key: string, expected: string): string[] {
  if (!Array.isArray(value)) throw new ConfigError(`${key}: must be ${expected}, not ${jsonTypeOf(value)}`);
  return value.map((name: unknown, index) => {
    if (typeof name !== 'string' || name === '')
      throw new ConfigError(`${key}[${index}]: must be a name, not ${jsonTypeOf(name)}`);
    if (name === '*') throw new ConfigError(`${key}[${index}]: '*' stands alone, not in a list`);
    return name;
  });
}

function entriesOf<Entry>(
  value: unknown,
  key: string,
  read: (entry: unknown, key: string, name: string) => Entry,
): [name: string, entry: Entry][] {
  if (!isObject(value)) throw new ConfigError(`${key}: must be a map of names, not ${jsonTypeOf(value)}`);
  return Object.entries(value).map(([name, entry]) => {
    if (name === '') throw new ConfigError(`${key}: a name is empty`);
    return [name, read(entry, `${key}.${shown(name)}`, name)];
  });
}

/** A map with no keys but these. */
function mapOf<Key extends string>(
  value: unknown,
  key: string,
  keys: ReadonlyArray<Key>,
): Partial<Record<Key, unknown>> {
  if (!isObject(value))
    throw new ConfigError(`${key}: must be a map of keys to values, not ${jsonTypeOf(value)}`);
  const unknown = Object.keys(value).find((name) => !keys.some((known) => known === name));
  if (unknown !== undefined)
    throw new ConfigError(
      `${key}.${shown(unknown)}: unknown key; expected one of ${keys.join(', ')}${suggestion(unknown, keys)}`,
      { code: 'unknown-key' },
    );
  const map: Partial<Record<Key, unknown>> = {};
  for (const name of keys) map[name] = value[name];
  return map;
}
