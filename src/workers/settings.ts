import type { Access } from '../core/config/access.ts';
import type { Config } from '../core/config/load.ts';
import type { AuthMode } from '../core/config/schema-auth.ts';
import type { CodecName } from '../core/message/codecs/index.ts';

/** Data that crosses between the main thread and the workers: plain values, and one transferred buffer a batch. */

/** The settings of a worker thread, given once as its `workerData`. */
export interface WorkerSettings {
  readonly database: {
    readonly url: string;
    readonly passwordFile: string;
    readonly connectTimeout: number;
    readonly statementTimeout: number;
    readonly lockTimeout: number;
    readonly idleInTransactionTimeout: number;
    readonly synchronousCommit: string;
    readonly preparedStatements: boolean;
    /** The setting by which the triggers publish changes of status. Empty: they publish none. */
    readonly publishTransitions: string;
    /** The name in pg_stat_activity. */
    readonly applicationName: string;
  };
  /** Batches that one thread runs at once; each has a connection. */
  readonly concurrency: number;
  /** Bytes that a body may have once it is inflated. */
  readonly maxBody: number;
  readonly transports: Readonly<
    Record<
      string,
      {
        readonly codec: CodecName;
        readonly auth: AuthMode;
        /** For auth `trove`: the key that encrypts `instances.encrypted_key`. */
        readonly instRpcKeyEncrKey?: string;
        /** For auth `hmac`: milliseconds for which a signed cast is valid. */
        readonly maxAge?: number;
      }
    >
  >;
  /** For auth `hmac`. */
  readonly keys: {
    /** In base64 or hexadecimal. Empty if no transport has this mode. */
    readonly masterKey: string;
    /** The one before, while it is replaced. Empty if there is none. */
    readonly previousMasterKey: string;
    /** Milliseconds after which a thread looks for changed keys. */
    readonly refresh: number;
  };
  /** How often guests are to report, for the call `heartbeat_interval`. */
  readonly pacing: {
    /** Milliseconds: the shortest and the longest interval. */
    readonly least: number;
    readonly most: number;
    /** Heartbeats of the whole fleet within a second. 0: no limit. */
    readonly perSecond: number;
  };
  readonly quotas: {
    /** Messages of one guest within a second, on one thread. 0: there is no such quota. */
    readonly perSecond: number;
    /** Bytes of their bodies. 0: there is no such quota. */
    readonly bytesPerSecond: number;
    /** Messages beyond that which are deferred. */
    readonly burst: number;
  };
  readonly autoRegister: boolean;
  readonly deferred: {
    readonly firstDelay: number;
    readonly maxDelay: number;
    readonly maxAge: number;
    readonly maxRows: number;
  };
  readonly deadLetters: {
    readonly maxRows: number;
    readonly stormShare: number;
    /** Letters of one sender and reason that are kept whole in a minute. */
    readonly perSender: number;
    /** Names of arguments whose values are not kept. */
    readonly redact: ReadonlyArray<string>;
  };
  readonly notifications: {
    /** Empty: nothing is published. */
    readonly topic: string;
    readonly publisherHost: string;
  };
  readonly calls: {
    /** Calls that one thread runs at once; each has a connection. */
    readonly concurrency: number;
    /** Milliseconds that a call may take. */
    readonly timeout: number;
    /** Bytes that an answer may have. */
    readonly maxReply: number;
    /** Rows that one call lists, creates or updates at most. */
    readonly maxRows: number;
    /** Milliseconds for which the answer to a mutating call is kept. */
    readonly resultRetention: number;
    /** Kept answers at most. */
    readonly maxResults: number;
  };
  /** The rights of guests and services beyond a guest's own reports. */
  readonly access: Access;
  /** URL of a module with the deployer's own methods. */
  readonly managerModule: string | undefined;
}

export interface NotificationSettings {
  readonly topic: string;
  readonly publisherHost: string;
}

/** Takes the workers' settings from the configuration. */
export function workerSettingsOf(config: Config): WorkerSettings {
  return {
    database: {
      ...config.database,
      publishTransitions: publishSetting(config),
      applicationName: `conductor ${config.replica}`,
    },
    concurrency: config.workers.concurrency,
    maxBody: config.maxBody,
    transports: Object.fromEntries(
      config.transports.map(({ name, options: { codec, auth } }) => [
        name,
        { codec, auth: auth.mode, instRpcKeyEncrKey: auth.instRpcKeyEncrKey, maxAge: auth.maxAge },
      ]),
    ),
    keys: config.keys,
    quotas: config.quotas,
    pacing: {
      least: config.guests.heartbeatInterval,
      // A guest must not seem silent, even if one of its heartbeats is lost.
      most: Math.max(config.guests.heartbeatInterval, config.sweep.heartbeatExpiry / 3),
      perSecond: config.guests.maxHeartbeatsPerSecond,
    },
    autoRegister: config.guests.autoRegister,
    deferred: config.deferred,
    deadLetters: { ...config.deadLetters, redact: namesIn(config.deadLetters.redact) },
    notifications: {
      topic: config.notifications.topic,
      publisherHost: config.notifications.publisherHost || config.replica,
    },
    calls: config.calls,
    managerModule: config.manager || undefined,
    access: config.access,
  };
}

/** For the triggers of migrations/0009_transitions-published.sql. */
function publishSetting({
  transitions: { publish, topic },
  transports,
  notifications,
  replica,
}: Config): string {
  const transport = transports.find(({ name }) => name === publish);
  if (transport === undefined) return '';
  return JSON.stringify(
    transport.options.codec === 'oslo'
      ? {
          transport: publish,
          topic: `${topic}.info`,
          publisher: `conductor.${notifications.publisherHost || replica}`,
        }
      : { transport: publish, topic },
  );
}

/** Names that are separated by commas. */
export function namesIn(text: string): string[] {
  return text
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
}
