/** The arguments and answers of the conductor's methods. Times are seconds since the epoch. docs/protocol.md has the meaning. */
import type { JsonObject } from '../core/json.ts';

/** The status words of a guest's service. */
export const serviceStatuses = [
  'running',
  'blocked',
  'paused',
  'shutdown',
  'deleted',
  'crashed',
  'failed to spawn',
  'building',
  'promoting replica',
  'ejecting replica source',
  'transferring guest logs',
  'unknown',
  'new',
  'guestagent error',
  'instance ready',
  'restart required',
  'healthy',
  'upgrading',
  'restarting',
] as const;
export type ServiceStatus = (typeof serviceStatuses)[number];

export interface Heartbeat {
  /** The sender, unless given. */
  readonly instance_id?: string;
  /** Now, and strictly increasing, unless given. */
  readonly sent?: number;
  /** Without a status it only says that the guest is alive. */
  readonly payload: { readonly service_status?: ServiceStatus; readonly [key: string]: unknown };
}

export interface UpdateBackup {
  readonly instance_id?: string;
  readonly sent?: number;
  readonly backup_id: string;
  /** Columns to write: null clears, absent keeps. Send all that is known each time. */
  readonly state?: string;
  readonly size?: number | null;
  readonly checksum?: string | null;
  readonly location?: string | null;
  readonly backup_type?: string | null;
  readonly [key: string]: unknown;
}

export interface ReportRoot {
  readonly instance_id?: string;
  readonly [key: string]: unknown;
}

export interface NotifyEnd {
  readonly serialized_notification: SerializedNotification;
  readonly notification_args?: JsonObject;
  readonly [key: string]: unknown;
}

export interface NotifyExcInfo {
  readonly serialized_notification: SerializedNotification;
  readonly message: string;
  /** The lines of the traceback. */
  readonly exception: readonly string[];
  readonly [key: string]: unknown;
}

/** A notification of Trove's, as `DBaaSAPINotification.serialize` makes it. */
export interface SerializedNotification {
  readonly instance_id?: string;
  readonly [key: string]: unknown;
}

/** One row of a model, by column. */
export type Row = Readonly<Record<string, unknown>>;

/** The id of a row: of several columns where the key has several. */
export type RowId = string | number | Row;

/** By column: a value that the column equals, or conditions on the column. */
export type Filters = Readonly<
  Record<
    string,
    | string
    | number
    | boolean
    | null
    | Readonly<
        Partial<
          Record<'eq' | 'ne' | 'lt' | 'lte' | 'gt' | 'gte', unknown> & {
            in: readonly unknown[];
            like: string;
            null: boolean;
          }
        >
      >
  >
>;

export interface ModelCreate {
  readonly model: string;
  /** One row, or several: all of them or none. */
  readonly values: Row | readonly Row[];
}

export interface ModelGet {
  readonly model: string;
  readonly id: RowId;
  readonly include_deleted?: boolean;
}

export interface ModelList {
  readonly model: string;
  readonly filters?: Filters;
  /** Columns; with a `-` before it the other way round. */
  readonly order_by?: ReadonlyArray<string | { readonly column: string; readonly direction: 'asc' | 'desc' }>;
  readonly limit?: number;
  /** As the answer before had it. */
  readonly marker?: RowId;
  readonly include_deleted?: boolean;
}

/** One of `id`, `ids` and `filters` says which rows. */
export interface ModelUpdate {
  readonly model: string;
  readonly id?: RowId;
  readonly ids?: readonly RowId[];
  readonly filters?: Filters;
  readonly values: Row;
  /** Of one row: `updated` as it was last read. Refused as a conflict if somebody has changed the row since. */
  readonly if_updated?: unknown;
}

export interface ModelDelete {
  readonly model: string;
  readonly id: RowId;
  readonly if_updated?: unknown;
}

/** The arguments of the methods that are known; a Manager of the deployer's own may have others. */
export interface Methods {
  heartbeat: Heartbeat;
  update_backup: UpdateBackup;
  report_root: ReportRoot;
  notify_end: NotifyEnd;
  notify_exc_info: NotifyExcInfo;
  model_create: ModelCreate;
  model_get: ModelGet;
  model_list: ModelList;
  model_update: ModelUpdate;
  model_delete: ModelDelete;
  ping: Readonly<Record<string, never>>;
}

/** Of a method that is not known, whatever is JSON. */
export type ArgumentsOf<Method extends string> = Method extends keyof Methods ? Methods[Method] : JsonObject;

const carryInstance: ReadonlySet<string> = new Set(['heartbeat', 'update_backup', 'report_root']);
const carrySent: ReadonlySet<string> = new Set(['heartbeat', 'update_backup']);

/** The arguments with `instance_id` and `sent` filled in, where the method has them and they are missing. */
export function completeArguments(
  method: string,
  args: JsonObject,
  sender: string,
  stamp: () => number,
): JsonObject {
  return {
    ...args,
    ...(carryInstance.has(method) && { instance_id: args.instance_id ?? sender }),
    ...(carrySent.has(method) && { sent: args.sent ?? stamp() }),
  };
}
