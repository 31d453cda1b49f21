import { hostname } from 'node:os';
import type { JsonObject } from '../json.ts';
import type { Section, ValuesOf } from '../options.ts';
import { databaseUrl } from './database-url.ts';
import {
  milliseconds,
  nonEmptyText,
  positiveInteger,
  positiveIntegerUpTo,
  schemaName,
  share,
  wholeNumber,
  wholeNumberUpTo,
} from './formats.ts';

/** For an option that is a map of the deployer's own names. */
const noEntries: JsonObject = {};

/** All options but the transports: the schema of its kind checks each of those. */
export const baseSchema = {
  replica: {
    doc: "This replica's name: unique among the replicas, the same after a restart. It names the MQTT session.",
    default: hostname(),
    format: nonEmptyText,
  },
  database: {
    url: {
      doc:
        'The URL of Postgres, in the form of libpq: `postgresql://user@host1:5432,host2:5432/database?sslmode=verify-full` names two ' +
        'servers; the conductor uses the writable one. Required.',
      default: '',
      format: databaseUrl,
      sensitive: true,
    },
    passwordFile: {
      doc: 'A file whose first line is the password, as container platforms mount secrets. Read at each connection; goes before the password in `database.url`.',
      default: '',
    },
    connectTimeout: {
      doc: 'Milliseconds until an attempt to connect counts as failed.',
      default: 5000,
      format: milliseconds,
    },
    statementTimeout: {
      doc: 'Milliseconds after which Postgres gives up a statement.',
      default: 10_000,
      format: milliseconds,
    },
    lockTimeout: {
      doc: 'Milliseconds. If another session keeps a row locked for so long, the message about it is deferred. All other messages go on meanwhile.',
      default: 1000,
      format: milliseconds,
    },
    idleInTransactionTimeout: {
      doc: 'Milliseconds after which Postgres ends an idle transaction of a replica. If the host of a replica loses power, its rows stay locked for so long.',
      default: 5000,
      format: milliseconds,
    },
    synchronousCommit: {
      doc: 'The `synchronous_commit` of each transaction. A message is settled after this wait. It overrides the setting of the role, the database and the server. `off` loses settled messages when Postgres crashes.',
      default: 'on',
      format: ['on', 'remote_apply', 'remote_write', 'local', 'off'],
    },
    preparedStatements: {
      doc: 'Prepare statements once a connection. PgBouncer below 1.21 in transaction mode does not support it; a replica detects that and stops preparing.',
      default: true,
    },
  },
  manager: {
    doc: 'A module with methods of your own, which are added to the built-in ones or replace them: a path that begins with `./`, relative to this file, or a package.',
    default: '',
  },
  workers: {
    threads: {
      doc: 'Worker threads. 0: as many as there are cores, but for the one that talks to the brokers.',
      default: 0,
      format: wholeNumber,
    },
    concurrency: {
      doc: 'Batches, and so connections to Postgres, per thread: one is decoded while another waits for Postgres.',
      default: 4,
      format: positiveInteger,
    },
    maxBatch: { doc: 'Messages in one batch at most.', default: 1000, format: positiveInteger },
  },
  calls: {
    concurrency: {
      doc: 'Calls that run at once, and so further connections to Postgres, per thread. Casts never wait for them.',
      default: 2,
      format: positiveInteger,
    },
    timeout: {
      doc: 'Milliseconds that a call may take in the database. After that its caller gets `Timeout`.',
      default: 10_000,
      format: milliseconds,
    },
    maxReply: {
      doc: 'Bytes of an answer at most. The caller of a longer one gets `ResultTooLarge`.',
      default: 1024 * 1024,
      format: positiveInteger,
    },
    maxRows: {
      doc: 'Rows that one call lists, creates or updates at most.',
      default: 1000,
      format: positiveInteger,
    },
    resultRetention: {
      doc: 'Milliseconds that the answer to a mutating call is kept. A repetition gets that answer and changes nothing.',
      default: 86_400_000,
      format: milliseconds,
    },
    maxResults: {
      doc: 'Such answers kept; beyond it the oldest are deleted before their time.',
      default: 1_000_000,
      format: positiveInteger,
    },
  },
  models: {
    doc:
      'The tables that calls may name, by the name that they have there: `{ table, read, write }`. `read` and `write` say which ' +
      "columns may be granted at all: `'*'`, which is the default, a list, or `{ except: [...] }`. Grants nothing by itself.",
    default: noEntries,
  },
  services: {
    doc:
      'Who may call what, by the name that the transport proves: `{ methods, models: { <model>: { read, write, delete } } }`. ' +
      "`methods` is `'*'` or a list; `read` and `write` are columns as under `models`, `delete` is true or false. Nothing is granted by " +
      'default. The entry `anonymous` grants to every sender over a transport with `auth.mode: none`.',
    default: noEntries,
  },
  maxInFlight: {
    doc: 'Messages in memory at most, shared out among the transports; sets the prefetch of each.',
    default: 4000,
    format: positiveInteger,
  },
  maxInFlightBytes: {
    doc: 'Bytes of bodies in memory at most, shared out among the transports.',
    default: 64 * 1024 * 1024,
    format: positiveInteger,
  },
  maxBody: {
    doc: 'Bytes: a longer body becomes a dead letter with its prefix and digest.',
    default: 256 * 1024,
    format: positiveInteger,
  },
  guests: {
    autoRegister: {
      doc: "Insert an `instances` row for an unknown instance's first heartbeat, instead of deferring it.",
      default: false,
    },
  },
  deferred: {
    interval: {
      doc: 'Milliseconds between two looks for deferred messages that are due.',
      default: 1000,
      format: milliseconds,
    },
    firstDelay: {
      doc: 'Milliseconds until the first retry; doubles each time.',
      default: 1000,
      format: milliseconds,
    },
    maxDelay: { doc: 'Milliseconds between two retries at most.', default: 60_000, format: milliseconds },
    maxAge: {
      doc: 'Milliseconds after which a deferred message becomes a dead letter.',
      default: 3_600_000,
      format: milliseconds,
    },
    maxRows: {
      doc: 'Deferred messages kept; beyond it the oldest become dead letters.',
      default: 100_000,
      format: positiveInteger,
    },
  },
  deadLetters: {
    maxRows: {
      doc: 'Dead letters kept; beyond it the oldest are deleted.',
      default: 100_000,
      format: positiveInteger,
    },
    maxAge: {
      doc: 'Milliseconds after which a dead letter is deleted: 30 days.',
      default: 30 * 86_400_000,
      format: positiveIntegerUpTo(100 * 365 * 86_400_000),
    },
    stormShare: {
      doc: 'Share of the messages of a minute, from 0 to 1. If the database refuses more than that, those messages are held.',
      default: 0.1,
      format: share,
    },
  },
  jobs: {
    schema: {
      doc: 'The schema in which pg-boss keeps the jobs of the replicas, such as the retries of deferred messages. `conductor migrate` creates it. All replicas of a database have the same one.',
      default: 'conductor_jobs',
      format: schemaName,
    },
  },
  notifications: {
    topic: {
      doc: "The topic for notifications from guests. `.info` is added to it, as oslo.messaging does. Trove's is `notifications`. Empty: they are not published.",
      default: '',
    },
    publisherHost: {
      doc: "The host in a notification's `publisher_id`, which is `<server type>.<host>`: Trove's `host`. Empty: the replica's name.",
      default: '',
    },
  },
  reconnect: {
    base: {
      doc: 'Milliseconds: the upper end of the first delay before a broker or Postgres is tried again. Doubles each time.',
      default: 200,
      format: milliseconds,
    },
    max: { doc: 'Milliseconds: the upper end of any such delay.', default: 10_000, format: milliseconds },
  },
  shutdown: {
    deadline: {
      doc: 'Milliseconds that a stopping conductor has to finish what it holds; the rest goes back to the broker.',
      default: 20_000,
      format: milliseconds,
    },
  },
  admin: {
    host: {
      doc: 'The address of the health server; `0.0.0.0` for all. It asks for no password.',
      default: '127.0.0.1',
      format: nonEmptyText,
    },
    port: {
      doc: 'Its port, over HTTP: `/health`, `/health/live`, `/health/ready`. 0: none.',
      default: 0,
      format: wholeNumberUpTo(65_535),
    },
  },
  log: {
    level: {
      doc: 'The least severe level to log.',
      default: 'info',
      format: ['fatal', 'error', 'warn', 'info', 'debug', 'trace'],
    },
  },
} satisfies Section;

export type BaseConfig = ValuesOf<typeof baseSchema>;
