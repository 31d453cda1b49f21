import type { Db } from '../../../postgres/transaction.ts';

/** Whatever the server's or the database user's own settings are. */
const text = `
SELECT set_config('timezone', 'UTC', true), set_config('datestyle', 'ISO, YMD', true),
  set_config('intervalstyle', 'iso_8601', true), set_config('bytea_output', 'hex', true),
  set_config('extra_float_digits', '1', true)`;

/** Makes this transaction's texts of values those that are read again as the same values: times in UTC, floats in full. */
export async function readAsWritten(db: Db): Promise<void> {
  await db.query('read-as-written', text, []);
}
