import type { Shortfall } from '../core/transport/durability.ts';
import type { Query } from './query.ts';
import { ownTables, troveTables } from './schema.ts';

/** The settings of a server that decide what a commit survives. A setting of a session is as the transactions of the workers set it. */
export interface ServerFacts {
  readonly fsync: boolean;
  readonly fullPageWrites: boolean;
  /** synchronous_standby_names; empty: commits wait for no standby. */
  readonly standbyNames: string;
  /** Standbys that commits wait for, as far as they are connected; undefined: the user may not see it (pg_monitor). */
  readonly standbys: number | undefined;
  /** Tables that a crash of the server empties. */
  readonly unlogged: ReadonlyArray<string>;
}

const text = `
SELECT current_setting('fsync') = 'on' AS fsync,
  current_setting('full_page_writes') = 'on' AS "fullPageWrites",
  current_setting('synchronous_standby_names') AS "standbyNames",
  CASE WHEN pg_has_role(current_user, 'pg_read_all_stats', 'USAGE')
    THEN (SELECT count(*)::integer FROM pg_stat_replication WHERE sync_state IN ('sync', 'quorum')) END AS standbys,
  array(SELECT name FROM unnest($1::text[]) AS name JOIN pg_class ON pg_class.oid = to_regclass(name)
    WHERE relpersistence = 'u' ORDER BY name) AS unlogged`;

/** Reads the facts of the server that the session is connected to. */
export async function readServerFacts(query: Query): Promise<ServerFacts> {
  const [row] = await query<ServerFacts & { standbys: number | null }>(text, [
    [...troveTables, ...ownTables],
  ]);
  if (row === undefined) throw new Error('Postgres does not report its settings');
  return { ...row, standbys: row.standbys ?? undefined };
}

/** `remote_apply` and `remote_write` wait for a standby too, but `remote_write` not for its disk. */
const waitsForStandby: ReadonlySet<string> = new Set(['on', 'remote_apply', 'remote_write']);

/**
 * Why a committed message survives no more than it does.
 *
 * @param synchronousCommit the option `database.synchronousCommit`, which each transaction sets.
 */
export function durabilityOf(facts: ServerFacts, synchronousCommit: string): ReadonlyArray<Shortfall> {
  const shortfalls: Shortfall[] = [];
  if (synchronousCommit === 'off')
    shortfalls.push({
      survives: 'nothing',
      because: 'database.synchronousCommit is off, so a commit does not wait for the disk',
      raise: 'set database.synchronousCommit: on',
    });
  for (const table of facts.unlogged)
    shortfalls.push({
      survives: 'nothing',
      because: `the table ${table} is unlogged, so a crash of Postgres empties it`,
      raise: `ALTER TABLE ${table} SET LOGGED`,
    });
  for (const [setting, isOn] of [
    ['fsync', facts.fsync],
    ['full_page_writes', facts.fullPageWrites],
  ] as const)
    if (!isOn)
      shortfalls.push({
        survives: 'process',
        because: `${setting} of Postgres is off`,
        raise: `ALTER SYSTEM SET ${setting} = on`,
      });
  if (facts.standbyNames === '')
    shortfalls.push({
      survives: 'power',
      because: 'Postgres waits for no standby, and does not tell whether its disk is on several machines',
      raise: 'set synchronous_standby_names, or say database.durability: failover if the disk is replicated',
      isUnknown: true,
    });
  else if (synchronousCommit === 'local')
    shortfalls.push({
      survives: 'power',
      because: 'database.synchronousCommit is local, so a commit waits for no standby',
      raise: 'set database.synchronousCommit: on',
    });
  return shortfalls;
}

/** Why every commit waits for a standby in vain; undefined if none does, or if the user may not see it. */
export function missingStandby(
  { standbyNames, standbys }: ServerFacts,
  synchronousCommit: string,
): string | undefined {
  if (standbyNames === '' || standbys !== 0 || !waitsForStandby.has(synchronousCommit)) return undefined;
  return `synchronous_standby_names is ${standbyNames}, and no such standby is connected: every commit waits for one`;
}
