import { hostname } from 'node:os';
import type { JsonObject } from '../json.ts';
import { oneOf, type Section, type ValuesOf } from '../options.ts';
import { milliseconds, nonEmptyText, schemaName } from './formats.ts';
import { adminSections } from './schema-admin.ts';
import { keySections } from './schema-auth.ts';
import { boundSections, workersSchema } from './schema-bounds.ts';
import { callSections } from './schema-calls.ts';
import { databaseSchema } from './schema-database.ts';
import { adoptSchema, healthSchema, parkSchema } from './schema-health.ts';
import { deadLettersSchema, deferredSchema } from './schema-leftovers.ts';
import { notificationSections } from './schema-notifications.ts';
import { quotaSections } from './schema-quotas.ts';
import { statusSections } from './schema-statuses.ts';

/** For an option that is a map of the deployer's own names. */
const noEntries: JsonObject = {};

/** All options but the transports: the schema of its kind checks each of those. */
export const baseSchema = {
  replica: {
    doc: "This replica's name. It must be unique among the replicas, and stay the same after a restart. It identifies the MQTT session.",
    default: hostname(),
    format: nonEmptyText,
  },
  database: databaseSchema,
  require: {
    doc: 'The least that a confirmed message has to survive: `process` (the broker or Postgres is killed), `power` (their machines lose power) or `failover` (a machine is lost). The replica does not start with less, and does not use a broker or a database that offers less. [durability.md](durability.md) has what each broker offers.',
    ...oneOf('nothing', 'process', 'power', 'failover'),
  },
  manager: {
    doc: 'A module with methods of your own: a path that begins with `./`, relative to this file, or the name of a package. Its methods are added to the built-in ones. A method with the name of a built-in one replaces it.',
    default: '',
  },
  workers: workersSchema,
  ...callSections,
  models: {
    doc:
      'The tables that calls may use. The key is the name of the model in calls, the value is `{ table, read, write, tenant }`. `read` and ' +
      "`write` are the columns that `services` may grant: `'*'` (the default), a list, or `{ except: [...] }`. `models` grants nothing itself. " +
      '`tenant` is the column with the tenant of a row, by default `tenant_id`; or `{ column, of }`, where the column has the id of a row of ' +
      'the model `of`, whose tenant counts.',
    default: noEntries,
  },
  services: {
    doc:
      'The grants of each service. The key is the name that the transport proves, the value is ' +
      "`{ methods, models: { <model>: { read, write, delete } } }`. `methods` is `'*'` or a list. `read` and `write` are columns as under " +
      '`models`. `delete` is true or false. Nothing is granted by default. With `tenants`, a list beside `methods`, the service sees and ' +
      'writes only the rows of these tenants. The entry `anonymous` grants to every sender over a ' +
      'transport with `auth.mode: none`.',
    default: noEntries,
  },
  ...keySections,
  ...boundSections,
  ...quotaSections,
  guests: {
    autoRegister: {
      doc: '`true`: the first heartbeat of an unknown instance inserts its row into `instances`. `false`: the heartbeat is deferred.',
      default: false,
    },
  },
  deferred: deferredSchema,
  deadLetters: deadLettersSchema,
  ...statusSections,
  jobs: {
    schema: {
      doc: 'The schema in which pg-boss keeps the jobs of the replicas, such as the retries of deferred messages. `conductor migrate` creates it. All replicas of a database must have the same schema.',
      default: 'conductor_jobs',
      format: schemaName,
    },
  },
  ...notificationSections,
  reconnect: {
    base: {
      doc: 'The upper limit of the random delay before the first new attempt to reach a broker or Postgres, in milliseconds. The limit doubles each time.',
      default: 200,
      format: milliseconds,
    },
    max: { doc: 'Milliseconds: the highest value of this limit.', default: 10_000, format: milliseconds },
  },
  shutdown: {
    deadline: {
      doc: 'The longest time of a stop, in milliseconds. The replica finishes the messages in flight, and gives the others back to the broker.',
      default: 20_000,
      format: milliseconds,
    },
  },
  health: healthSchema,
  park: parkSchema,
  adopt: adoptSchema,
  ...adminSections,
} satisfies Section;

export type BaseConfig = ValuesOf<typeof baseSchema>;
