import type { ClientBase, Pool, QueryResultRow } from 'pg';

/** Runs one statement and returns its rows. */
export type Query = <Row extends QueryResultRow>(sql: string, params?: unknown[]) => Promise<Row[]>;

/** A `Query` on a client or pool of pg's. */
export function queryOn(client: ClientBase | Pool): Query {
  return async <Row extends QueryResultRow>(sql: string, params?: unknown[]) =>
    (await client.query<Row>(sql, params)).rows;
}
