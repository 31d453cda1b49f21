import { ConfigError } from '../core/errors.ts';
import type { Query } from './query.ts';

/**
 * Returns the schema in which to create. Fails with ConfigError before anything changes, if the connected user may not create there,
 * alter these tables or use Trove's guards. The error lists all missing rights and how to grant them.
 */
export async function checkPrivileges(
  query: Query,
  alters: readonly string[],
  jobsLacking: readonly string[],
): Promise<string> {
  const [session] = await query<{ user: string; schema: string | null; creates: boolean | null }>(
    `SELECT quote_ident(current_user) AS user, current_schema() AS schema,
            has_schema_privilege(current_schema(), 'CREATE') AS creates`,
  );
  if (!session?.schema) {
    throw new ConfigError(
      'The database user may use no schema of its search_path: GRANT USAGE, CREATE ON SCHEMA public to it.',
      { code: 'database-privileges' },
    );
  }
  const { user, schema } = session;
  const lacking: string[] = [];
  if (!session.creates) {
    lacking.push(
      `it may not create in schema ${schema} (GRANT USAGE, CREATE ON SCHEMA ${schema} TO ${user})`,
    );
  }
  lacking.push(...(await notOwned(query, alters)), ...(await lastSeenRefused(query, user)), ...jobsLacking);
  if (lacking.length === 0) return schema;
  throw new ConfigError(
    `The database user ${user} cannot migrate: ${lacking.join('; ')}. Or run conductor migrate --grant-to ${user} as the owner of the ` +
      'database.',
    { code: 'database-privileges' },
  );
}

/** Only the owner may alter a table. */
async function notOwned(query: Query, tables: readonly string[]): Promise<string[]> {
  const rows = await query<{ owner: string; tables: string }>(
    `SELECT quote_ident(pg_get_userbyid(relowner)) AS owner, string_agg(relname, ', ' ORDER BY relname) AS tables
     FROM unnest($1::text[]) AS name JOIN pg_class ON pg_class.oid = to_regclass(name)
     WHERE NOT pg_has_role(relowner, 'USAGE') GROUP BY relowner`,
    [tables],
  );
  return rows.map((row) => `it does not own ${row.tables} (run conductor migrate as ${row.owner})`);
}

/** A migration reads Trove's guards once, and a rollback writes them back. */
async function lastSeenRefused(query: Query, user: string): Promise<string[]> {
  const rows = await query(
    `SELECT FROM to_regclass('conductor_lastseen') AS seen
     WHERE NOT (
       has_table_privilege(seen, 'SELECT') AND has_table_privilege(seen, 'INSERT') AND has_table_privilege(seen, 'UPDATE'))`,
  );
  if (rows.length === 0) return [];
  return [
    `it may not use conductor_lastseen (GRANT SELECT, INSERT, UPDATE ON conductor_lastseen TO ${user})`,
  ];
}
