import type { Access, Columns } from '../core/config/access.ts';
import { ConfigError } from '../core/errors.ts';
import { defaultJobsSchema } from './jobs-schema.ts';
import type { Query } from './query.ts';
import { existingTables } from './schema.ts';

export type Privilege = 'SELECT' | 'INSERT' | 'UPDATE' | 'UPDATE (updated)' | 'DELETE';

const everything: ReadonlyArray<Privilege> = ['SELECT', 'INSERT', 'UPDATE', 'DELETE'];

/**
 * The privileges of the database user of `conductor start`: no more than its statements need. The tests' replicas have no more. A lock
 * on rows (FOR UPDATE) needs UPDATE.
 */
export const replicaPrivileges: Readonly<Record<string, ReadonlyArray<Privilege>>> = {
  // INSERT: with guests.autoRegister only. It is granted always, so that the setting needs no new grant. UPDATE of one column: a lock
  // on a row (FOR KEY SHARE) needs it.
  instances: ['SELECT', 'INSERT', 'UPDATE (updated)'],
  service_statuses: ['SELECT', 'INSERT', 'UPDATE'],
  backups: ['SELECT', 'UPDATE'],
  root_enabled_history: ['SELECT', 'INSERT'],
  instance_faults: ['SELECT', 'INSERT', 'UPDATE'],
  dead_letters: everything,
  deferred: everything,
  call_results: everything,
  notification_outbox: everything,
  // Only a trigger inserts, with the rights of its owner.
  status_transitions: ['SELECT', 'UPDATE', 'DELETE'],
  replicas: everything,
  sender_keys: ['SELECT'],
  page_snapshots: ['SELECT', 'INSERT', 'UPDATE'],
};

/** What the configuration says about the privileges of a replica. */
export interface GrantOptions {
  /** The schema of pg-boss. `conductor_jobs` unless told. */
  readonly jobsSchema?: string;
  /** The tables that calls may use. None unless told. */
  readonly access?: Access;
}

/** A table, and the privileges that a replica needs on it. */
interface Need {
  readonly table: string;
  readonly privileges: ReadonlyArray<Privilege>;
}

/** The statements that make a role enough for `conductor start`, and no more. `schema`: where our tables are. */
export function grantStatements(
  role: string,
  schema: string,
  { jobsSchema = defaultJobsSchema, access }: GrantOptions = {},
): string[] {
  const to = `TO ${quoted(role)}`;
  return [
    `GRANT USAGE ON SCHEMA ${quoted(schema)} ${to}`,
    ...needsOf(access).map(
      ({ table, privileges }) => `GRANT ${privileges.join(', ')} ON ${quotedTable(table)} ${to}`,
    ),
    `GRANT USAGE ON SCHEMA ${quoted(jobsSchema)} ${to}`,
    `GRANT ${everything.join(', ')} ON ALL TABLES IN SCHEMA ${quoted(jobsSchema)} ${to}`,
  ];
}

/** Grants a role what a replica needs. Returns the statements. Throws ConfigError if there is no such role. */
export async function grantTo(
  query: Query,
  role: string,
  options: GrantOptions & { readonly dryRun: boolean },
): Promise<string[]> {
  const [found] = await query<{ schema: string; exists: boolean }>(
    'SELECT current_schema() AS schema, EXISTS (SELECT FROM pg_roles WHERE rolname = $1) AS exists',
    [role],
  );
  if (found?.exists !== true)
    throw new ConfigError(
      `--grant-to: Postgres has no role ${role}: create it first, with CREATE ROLE ${quoted(role)} LOGIN`,
      { code: 'database-privileges' },
    );
  const statements = [
    ...grantStatements(role, found.schema, options),
    ...(await partsOf(query, options.access)).map(({ grant }) => `GRANT ${grant} TO ${quoted(role)}`),
  ];
  if (!options.dryRun) for (const statement of statements) await query(statement);
  return statements;
}

/** The statements that grant the connected user what a replica needs and it lacks. Tables that are missing are left out. */
export async function missingGrants(query: Query, options: GrantOptions = {}): Promise<string[]> {
  return [
    ...(await missingOnTables(query, options.access)),
    ...(await missingOnParts(query, options.access)),
    ...(await missingOnJobs(query, options.jobsSchema ?? defaultJobsSchema)),
  ];
}

async function missingOnTables(query: Query, access: Access | undefined): Promise<string[]> {
  const needs = needsOf(access).map((need) => ({ ...need, table: quotedTable(need.table) }));
  const present = await existingTables(
    query,
    needs.map(({ table }) => table),
  );
  const wanted = needs
    .filter(({ table }) => present.includes(table))
    .flatMap(({ table, privileges }) => privileges.map((privilege) => ({ table, privilege })));
  const rows = await query<{ user: string; table: string; privileges: string }>(
    `SELECT quote_ident(current_user) AS user, "table", string_agg(privilege, ', ' ORDER BY n) AS privileges
     FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS wanted("table", privilege, n)
     WHERE NOT CASE WHEN privilege LIKE 'UPDATE (%' THEN has_any_column_privilege(to_regclass("table"), 'UPDATE')
       ELSE has_table_privilege(to_regclass("table"), privilege) END GROUP BY "table" ORDER BY min(n)`,
    [wanted.map(({ table }) => table), wanted.map(({ privilege }) => privilege)],
  );
  return rows.map(({ user, table, privileges }) => `GRANT ${privileges} ON ${table} TO ${user}`);
}

async function missingOnParts(query: Query, access: Access | undefined): Promise<string[]> {
  const [session] = await query<{ user: string }>('SELECT quote_ident(current_user) AS user');
  return (await partsOf(query, access))
    .filter(({ granted }) => !granted)
    .map(({ grant }) => `GRANT ${grant} TO ${session?.user}`);
}

/**
 * Parts of the tables with privileges of their own: the sequences behind columns of type serial, and the partitions of
 * service_statuses, which the census of the sweep reads one by one.
 */
function partsOf(query: Query, access: Access | undefined): Promise<{ grant: string; granted: boolean }[]> {
  const tables = needsOf(access)
    .filter(({ privileges }) => privileges.includes('INSERT'))
    .map(({ table }) => quotedTable(table));
  return query(
    `SELECT format('USAGE ON SEQUENCE %s', objid::regclass) AS grant, has_sequence_privilege(objid, 'USAGE') AS granted
     FROM unnest($1::text[]) AS name
     JOIN pg_depend ON refobjid = to_regclass(name) AND refclassid = 'pg_class'::regclass
       AND classid = 'pg_class'::regclass AND deptype = 'a'
     JOIN pg_class ON pg_class.oid = objid AND relkind = 'S'
     UNION ALL
     SELECT format('SELECT ON %s', relid), has_table_privilege(relid, 'SELECT')
     FROM to_regclass('service_statuses') AS statuses, pg_partition_tree(statuses) WHERE relid <> statuses ORDER BY 1`,
    [tables],
  );
}

async function missingOnJobs(query: Query, schema: string): Promise<string[]> {
  const [row] = await query<{ user: string; usage: boolean }>(
    `SELECT quote_ident(current_user) AS user, has_schema_privilege(oid, 'USAGE') AS usage
     FROM pg_namespace WHERE nspname = $1`,
    [schema],
  );
  if (row === undefined) return [];
  const [tables] = await query<{ lacking: boolean }>(
    `SELECT coalesce(bool_or(NOT (${everything.map((one) => `has_table_privilege(pg_class.oid, '${one}')`).join(' AND ')})), false) AS lacking
     FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
     WHERE nspname = $1 AND relkind IN ('r', 'p')`,
    [schema],
  );
  const name = quoted(schema);
  return [
    ...(row.usage ? [] : [`GRANT USAGE ON SCHEMA ${name} TO ${row.user}`]),
    ...(tables?.lacking === true
      ? [`GRANT ${everything.join(', ')} ON ALL TABLES IN SCHEMA ${name} TO ${row.user}`]
      : []),
  ];
}

/** Ours and Trove's tables, then those of the models, as far as services are granted them. */
function needsOf(access: Access | undefined): Need[] {
  const needs = new Map(Object.entries(replicaPrivileges).map(([table, own]) => [table, new Set(own)]));
  const add = (table: string, privileges: ReadonlyArray<Privilege>) => {
    const known = needs.get(table) ?? new Set<Privilege>();
    for (const privilege of privileges) known.add(privilege);
    needs.set(table, known);
  };
  for (const [name, model] of access?.models ?? []) {
    for (const service of access?.services.values() ?? []) {
      const grant = service.models.get(name);
      if (grant === undefined) continue;
      add(model.table, ['SELECT']);
      if (isAny(grant.write)) add(model.table, ['INSERT', 'UPDATE']);
      // A row is locked before it is deleted. A row with a column `deleted` is marked.
      if (grant.delete) add(model.table, ['UPDATE', 'DELETE']);
      const parent = service.tenants === undefined ? undefined : access?.models.get(model.tenant.of ?? '');
      if (parent !== undefined) add(parent.table, ['SELECT']);
    }
  }
  return [...needs].map(([table, privileges]) => ({
    table,
    privileges: order.filter(
      (one) => privileges.has(one) && !(one === 'UPDATE (updated)' && privileges.has('UPDATE')),
    ),
  }));
}

const order: ReadonlyArray<Privilege> = ['SELECT', 'INSERT', 'UPDATE', 'UPDATE (updated)', 'DELETE'];

/** Whether a grant names any column. */
function isAny({ except, names }: Columns): boolean {
  return except || names.size > 0;
}

/** Names that are no word of SQL: few of its words have an underscore. */
const plain =
  /^(public|instances|backups|deferred|replicas|(?!current_|session_|system_)[a-z]+(_[a-z0-9]+)+)$/;

/** A name as a statement has it. */
function quoted(name: string): string {
  return plain.test(name) ? name : `"${name.replaceAll('"', '""')}"`;
}

/** `table` or `schema.table`, as the configuration has it. */
function quotedTable(name: string): string {
  return name.split('.').map(quoted).join('.');
}
