import type { Db } from '../../../postgres/transaction.ts';

/** These settings apply whatever the settings of the server or of the database user. */
const text = `
SELECT set_config('timezone', 'UTC', true), set_config('datestyle', 'ISO, YMD', true),
  set_config('intervalstyle', 'iso_8601', true), set_config('bytea_output', 'hex', true),
  set_config('extra_float_digits', '1', true)`;

/** Makes Postgres write texts of values that it reads back as the same values: times in UTC, floats with all digits. */
export async function readAsWritten(db: Db): Promise<void> {
  await db.query('read-as-written', text, []);
}
