import { randomUUID } from 'node:crypto';
import { readAccess } from '../../src/core/config/access.ts';
import { isObject, type JsonObject } from '../../src/core/json.ts';
import type { ThreadState } from '../../src/workers/batch/thread-state.ts';
import { runCall } from '../../src/workers/calls/run.ts';
import type { RawMessage } from '../../src/workers/raw-message.ts';
import type { WorkerSettings } from '../../src/workers/settings.ts';
import { createDatabase, grantReplica, type TestDatabase } from '../support/database.ts';
import { native, openContext } from '../support/worker.ts';

/** Calls as a worker executes them, without a broker. */

/** Tables of a deployer's own: one with a column of every kind, one whose rows are named by two columns. */
export const ownTables = `
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE DOMAIN amount AS integer CHECK (value >= 0);
CREATE TABLE things (
  id uuid PRIMARY KEY,
  name text,
  short varchar(5),
  padded char(4),
  small smallint,
  whole integer,
  big bigint,
  price numeric,
  ratio double precision,
  ok boolean,
  at timestamp,
  zoned timestamptz,
  day date,
  data bytea,
  doc jsonb,
  text_doc json,
  tags text[],
  matrix integer[],
  times timestamp[],
  mood mood,
  stock amount,
  span interval,
  "Odd ""name" text,
  secret text,
  twice bigint GENERATED ALWAYS AS (whole::bigint * 2) STORED,
  created timestamp,
  updated timestamp
);
CREATE TABLE pairs (a text, b integer, note text, PRIMARY KEY (b, a))`;

export const models = {
  instance: { table: 'instances', read: { except: ['encrypted_key'] } },
  backup: { table: 'backups' },
  fault: { table: 'public.instance_faults' },
  status: { table: 'service_statuses' },
  seen: { table: 'pairs' },
  thing: { table: 'things' },
};

const everything = { read: '*', write: '*', delete: true };
export const services = {
  api: {
    methods: '*',
    models: {
      instance: everything,
      backup: everything,
      fault: everything,
      status: everything,
      seen: everything,
      thing: { read: { except: ['secret'] }, write: '*', delete: true },
    },
  },
  reader: {
    methods: ['model_get', 'model_list'],
    models: { thing: { read: ['name', 'whole'] }, instance: { write: ['name'] } },
  },
};

/** The part of ava's `t` that is used here. */
interface Test {
  teardown(end: () => Promise<void>): void;
}

export interface Answered {
  readonly result?: unknown;
  readonly error?: { readonly class: string; readonly message: string; readonly argument?: string };
}

export interface Caller {
  readonly database: TestDatabase;
  readonly context: ThreadState;
  /** Executes one call of the service `api`, with a message id of its own unless told. */
  answer(method: string, args: JsonObject, more?: Partial<RawMessage>): Promise<Answered>;
  /** The result, which has to be an object. */
  result(method: string, args: JsonObject, more?: Partial<RawMessage>): Promise<JsonObject>;
  /** The error as `Class argument: message`. */
  refusal(method: string, args: JsonObject, more?: Partial<RawMessage>): Promise<string>;
}

/** Adds the tables of a deployer's own, with the grants of a replica. */
export async function addOwnTables(
  database: TestDatabase,
  access = readAccess(models, services),
): Promise<void> {
  await database.query(ownTables);
  await grantReplica(database.url, access);
}

export async function openCaller(
  t: Test,
  overrides: {
    calls?: Partial<WorkerSettings['calls']>;
    database?: Partial<WorkerSettings['database']>;
    access?: WorkerSettings['access'];
  } = {},
): Promise<Caller> {
  const database = await createDatabase(t, { migrated: true });
  await addOwnTables(database, overrides.access);
  return callerOn(t, database, overrides);
}

/** Another one, as another replica would be. */
export function callerOn(
  t: Test,
  database: TestDatabase,
  overrides: {
    calls?: Partial<WorkerSettings['calls']>;
    database?: Partial<WorkerSettings['database']>;
    access?: WorkerSettings['access'];
  } = {},
): Caller {
  const context = openContext(t, database, {
    transports: {
      proven: { codec: 'native', auth: 'subject' },
      open: { codec: 'native', auth: 'none' },
      oslo: { codec: 'oslo', auth: 'none' },
    },
    access: overrides.access ?? readAccess(models, services),
    database: { ...overrides.database },
    calls: {
      concurrency: 2,
      timeout: 5000,
      maxReply: 262_144,
      maxRows: 1000,
      resultRetention: 60_000,
      maxResults: 1000,
      ...overrides.calls,
    },
  });
  const answer: Caller['answer'] = async (method, args, more) => {
    const raw = native(method, args, {
      messageId: randomUUID(),
      sender: 'api',
      senderProof: 'subject',
      isCall: true,
      ...more,
    });
    const { timeout } = context.settings.calls;
    const transport = raw.senderProof === undefined ? 'open' : 'proven';
    return answerOf(await runCall({ state: context, raw, transport, timeout }));
  };
  return {
    database,
    context,
    answer,
    async result(method, args, more) {
      const { result, error } = await answer(method, args, more);
      if (!isObject(result)) throw new Error(`no result but ${JSON.stringify(error ?? result)}`);
      return result;
    },
    async refusal(method, args, more) {
      const { result, error } = await answer(method, args, more);
      if (error === undefined) throw new Error(`not refused: ${JSON.stringify(result)}`);
      return `${error.class} ${error.argument}: ${error.message}`;
    },
  };
}

export function answerOf({ reply, heldBecause }: Awaited<ReturnType<typeof runCall>>): Answered {
  if (reply === undefined) throw new Error(`no answer: ${heldBecause}`);
  const body: Answered = JSON.parse(Buffer.from(reply.body).toString('utf8'));
  return body;
}
