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
  /** By default the sender. */
  readonly instance_id?: string;
  /** By default the present time, strictly increasing. */
  readonly sent?: number;
  /** A heartbeat without a status only says that the guest is alive. */
  readonly payload: { readonly service_status?: ServiceStatus; readonly [key: string]: unknown };
}

export interface UpdateBackup {
  readonly instance_id?: string;
  readonly sent?: number;
  readonly backup_id: string;
  /** The columns to write: null clears a column, a missing one keeps its value. Send all known values each time. */
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

/** A notification of Trove, as `DBaaSAPINotification.serialize` makes it. */
export interface SerializedNotification {
  readonly instance_id?: string;
  readonly [key: string]: unknown;
}

/** One row of a model, by column. */
export type Row = Readonly<Record<string, unknown>>;

/** The id of a row: a value, or several columns if the key has several. */
export type RowId = string | number | Row;

/** By column: a value that it equals, or conditions on it. */
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
  /** Columns. A `-` before a column reverses its order. */
  readonly order_by?: ReadonlyArray<string | { readonly column: string; readonly direction: 'asc' | 'desc' }>;
  readonly limit?: number;
  /** The marker of the previous answer. */
  readonly marker?: RowId;
  readonly include_deleted?: boolean;
}

/** One of `id`, `ids` and `filters` selects the rows. */
export interface ModelUpdate {
  readonly model: string;
  readonly id?: RowId;
  readonly ids?: readonly RowId[];
  readonly filters?: Filters;
  readonly values: Row;
  /** For one row: its `updated` as last read. If the row has changed since, the call is refused as a conflict. */
  readonly if_updated?: unknown;
}

export interface ModelDelete {
  readonly model: string;
  readonly id: RowId;
  readonly if_updated?: unknown;
}

export interface AwaitStatus {
  readonly instance_id: string;
  readonly status: ServiceStatus | readonly ServiceStatus[];
  /** Seconds that the conductor holds the call, 60 by default, 600 at most. Then it answers with the error `Timeout`. */
  readonly timeout?: number;
}

/** The answer to `await_status`. */
export interface AwaitedStatus {
  readonly instance_id: string;
  /** The awaited status that the instance has, or has had since the call arrived. */
  readonly status: string;
  /** The instance's status when the answer was made. Null: it has none. */
  readonly now: string | null;
}

/** The rows that a call about several rows has made or changed. */
export interface RowCount {
  readonly count: number;
  readonly rows: readonly Row[];
}

/** A page of `model_list`. `marker` asks for the next one; null: there is none. */
export interface RowPage {
  readonly rows: readonly Row[];
  readonly marker: RowId | null;
}

/** The answer to `ping`. */
export interface Pong {
  readonly pong: true;
  /** The conductor's. */
  readonly version: string;
  /** As `HeartbeatInterval` has it. Not in oslo's form, and not from an older conductor. */
  readonly interval?: number;
  /** The same. */
  readonly next?: number;
}

/** The answer to `heartbeat_interval`, in seconds. */
export interface HeartbeatInterval {
  /** Between two heartbeats. */
  readonly interval: number;
  /** Until the next one: random, so that guests that start together do not send together. */
  readonly next: number;
}

/**
 * The arguments of the known methods. A deployer's own methods are added by declaration:
 * `declare module 'conductor-gateway-client' { interface Methods { store_disk: { used: number } } }`.
 */
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
  await_status: AwaitStatus;
  ping: Readonly<Record<string, never>>;
  heartbeat_interval: Readonly<Record<string, never>>;
}

/** The results of the calls. A deployer's own calls are added by declaration, as to `Methods`. */
export interface Results {
  model_create: Row | RowCount;
  model_get: Row;
  model_list: RowPage;
  model_update: Row | RowCount;
  model_delete: { readonly count: number };
  await_status: AwaitedStatus;
  ping: Pong;
  heartbeat_interval: HeartbeatInterval;
}

/** For an unknown method: not known. */
export type ResultOf<Method extends string> = Method extends keyof Results ? Results[Method] : unknown;

/** For an unknown method: any JSON. */
export type ArgumentsOf<Method extends string> = Method extends keyof Methods ? Methods[Method] : JsonObject;

const carryInstance: ReadonlySet<string> = new Set(['heartbeat', 'update_backup', 'report_root']);
const carrySent: ReadonlySet<string> = new Set(['heartbeat', 'update_backup']);

/** The arguments. Missing values of `instance_id` and `sent` are filled in if the method has them. */
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
