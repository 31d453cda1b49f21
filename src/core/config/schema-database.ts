import { oneOf, type Section } from '../options.ts';
import { databaseUrl } from './database-url.ts';
import { milliseconds } from './formats.ts';

/** The options under `database`. */
export const databaseSchema = {
  url: {
    doc:
      'The URL of Postgres, in the form of libpq. `postgresql://user@host1:5432,host2:5432/database?sslmode=verify-full` names two ' +
      'servers. The conductor uses the writable one. Required.',
    default: '',
    format: databaseUrl,
    sensitive: true,
  },
  passwordFile: {
    doc: 'A file whose first line is the password, as container platforms mount secrets. The replica reads it at each connection. It overrides the password in `database.url`.',
    default: '',
  },
  connectTimeout: {
    doc: 'Milliseconds until an attempt to connect fails.',
    default: 5000,
    format: milliseconds,
  },
  statementTimeout: {
    doc: 'Milliseconds after which Postgres cancels a statement.',
    default: 10_000,
    format: milliseconds,
  },
  lockTimeout: {
    doc: 'Milliseconds. If another session keeps a row locked for this time, the message about the row is deferred. All other messages go on.',
    default: 1000,
    format: milliseconds,
  },
  idleInTransactionTimeout: {
    doc: 'Milliseconds after which Postgres ends an idle transaction of a replica. If the host of a replica loses power, its rows stay locked for this time.',
    default: 5000,
    format: milliseconds,
  },
  synchronousCommit: {
    doc: 'The `synchronous_commit` of each transaction. A message is settled after the wait that it sets. It overrides the setting of the role, the database and the server. With `off`, a crash of Postgres loses settled messages.',
    default: 'on',
    format: ['on', 'remote_apply', 'remote_write', 'local', 'off'],
  },
  durability: {
    doc: 'What a committed message survives, as you know it. It counts only for what Postgres does not tell, such as a disk that is replicated to other machines: `failover`. `unknown`: the conductor assumes the worst.',
    ...oneOf('unknown', 'process', 'power', 'failover'),
  },
  preparedStatements: {
    doc: 'Prepare each statement once a connection. PgBouncer before 1.21 does not support this in transaction mode. A replica detects this and stops preparing.',
    default: true,
  },
} satisfies Section;
