import type { JsonObject } from '../../../../core/json.ts';
import type { TraceContext } from '../../../../core/message/trace-context.ts';
import type { Db } from '../../../postgres/transaction.ts';

/** A row of `deferred`. */
export interface DeferredRow {
  readonly method: string;
  readonly key: string;
  readonly transport: string;
  /** In wire form. */
  readonly args: JsonObject;
  /** Of the newest message in the row that names one; null if none does. */
  readonly trace: TraceContext | null;
}

const text = `
DELETE FROM deferred WHERE method = $1 AND key = ANY($2::text[]) AND sent = '-infinity'
RETURNING method, key, transport, args, trace_context AS trace`;

/** Deletes and returns the deferred messages without a guard about these keys. Waits for a transaction that retries one of them. */
export function takeDeferred(db: Db, method: string, keys: ReadonlyArray<string>): Promise<DeferredRow[]> {
  return db.query<DeferredRow>('take-deferred', text, [method, keys]);
}
