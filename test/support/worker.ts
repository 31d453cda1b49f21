import { CALL } from '../../src/core/message/outcome.ts';
import { wholeBody } from '../../src/core/span.ts';
import { applyBatch } from '../../src/workers/batch/apply.ts';
import type { BatchItem } from '../../src/workers/batch/item.ts';
import { decode } from '../../src/workers/batch/read.ts';
import { createThreadState, type ThreadState } from '../../src/workers/batch/thread-state.ts';
import { unsealBatch } from '../../src/workers/batch/unseal.ts';
import { withinQuotas } from '../../src/workers/batch/within-quotas.ts';
import { createManager } from '../../src/workers/methods/table.ts';
import type { RawMessage } from '../../src/workers/raw-message.ts';
import type { WorkerSettings } from '../../src/workers/settings.ts';
import { replicaUrl, type TestDatabase } from './database.ts';

/** What a worker thread does, without the thread. */

/** The part of ava's `t` that is used here. */
interface Test {
  teardown(end: () => Promise<void>): void;
}

type Overrides = Partial<Omit<WorkerSettings, 'database' | 'deadLetters'>> & {
  database?: Partial<WorkerSettings['database']>;
  deadLetters?: Partial<WorkerSettings['deadLetters']>;
};

export function workerSettings(url: string, overrides: Overrides = {}): WorkerSettings {
  return {
    concurrency: 2,
    maxBody: 262_144,
    transports: { plain: { codec: 'native', auth: 'none' }, oslo: { codec: 'oslo', auth: 'none' } },
    keys: { masterKey: '', previousMasterKey: '', refresh: 2000 },
    quotas: { perSecond: 0, bytesPerSecond: 0, burst: 1000 },
    pacing: { least: 30_000, most: 90_000, perSecond: 1000 },
    autoRegister: false,
    deferred: { firstDelay: 1, maxDelay: 1, maxAge: 3_600_000, maxRows: 1000 },
    notifications: { topic: 'notifications', publisherHost: 'test-host' },
    managerModule: undefined,
    calls: {
      concurrency: 1,
      timeout: 5000,
      maxReply: 65_536,
      maxRows: 1000,
      resultRetention: 60_000,
      maxResults: 1000,
    },
    access: { models: new Map(), services: new Map() },
    ...overrides,
    deadLetters: {
      maxRows: 100_000,
      stormShare: 0.1,
      perSender: 1000,
      redact: [],
      ...overrides.deadLetters,
    },
    database: {
      url,
      passwordFile: '',
      connectTimeout: 5000,
      statementTimeout: 10_000,
      lockTimeout: 1000,
      idleInTransactionTimeout: 5000,
      synchronousCommit: 'on',
      preparedStatements: true,
      publishTransitions: '',
      applicationName: 'test',
      ...overrides.database,
    },
  };
}

/** With the database user of a replica. */
export function openContext(t: Test, { url }: TestDatabase, overrides?: Overrides): ThreadState {
  const settings = workerSettings(replicaUrl(url), overrides);
  const context = createThreadState(settings, createManager());
  t.teardown(() => context.pool.end());
  return context;
}

/** A message in native form, as a worker gets it. */
export function native(method: string, args: unknown, more: Partial<RawMessage> = {}): RawMessage {
  return raw(JSON.stringify({ method, args }), more);
}

export function raw(body: string | Uint8Array, more: Partial<RawMessage> = {}): RawMessage {
  return {
    ...wholeBody(Buffer.from(body)),
    oversize: undefined,
    messageId: undefined,
    sender: undefined,
    senderProof: undefined,
    isCall: false,
    ...more,
  };
}

export function heartbeat(instance: string, sent: number | undefined, status?: string): RawMessage {
  return native('heartbeat', { instance_id: instance, sent, payload: { service_status: status } });
}

export function backup(instance: string, id: string, sent: number, fields: object): RawMessage {
  return native('update_backup', { instance_id: instance, backup_id: id, sent, ...fields });
}

/** Opens, decodes and applies one batch. Returns each message's outcome as a word, with the reason if it has one; `call` for a call. */
export async function apply(
  context: ThreadState,
  messages: RawMessage[],
  transport = 'plain',
): Promise<string[]> {
  const opened = await unsealBatch(context, transport, messages, { exceptCalls: true });
  const { manager, settings, quotas } = context;
  const decoded = opened.map((rawMessage, index) => decode(rawMessage, index, transport, manager, settings));
  const items = decoded.filter((item) => item !== CALL);
  const casts = withinQuotas(quotas, items);
  const works = decoded.map((item) => (item === CALL ? CALL : (casts[items.indexOf(item)] ?? item)));
  return outcomesOf(works, await applyBatch(context, casts));
}

function outcomesOf(
  works: ReadonlyArray<BatchItem | typeof CALL>,
  { committed, heldBecause }: Awaited<ReturnType<typeof applyBatch>>,
): string[] {
  const outcomes = new Map(committed.map(({ item, outcome }) => [item, outcome]));
  return works.map((work) => {
    if (work === CALL) return 'call';
    const outcome = outcomes.get(work);
    if (outcome === undefined) return `held: ${heldBecause}`;
    return 'reason' in outcome ? `${outcome.kind}: ${outcome.reason}` : outcome.kind;
  });
}

/** Makes instances that the control plane knows, without a status row. */
export async function insertInstances(database: TestDatabase, ...ids: string[]): Promise<void> {
  await database.query(
    'INSERT INTO instances (id, name, deleted) SELECT id, id, false FROM unnest($1::text[]) AS id',
    [ids],
  );
}

export async function insertBackup(database: TestDatabase, id: string, instance: string): Promise<void> {
  await database.query(
    "INSERT INTO backups (id, name, state, instance_id, deleted) VALUES ($1, $1, 'NEW', $2, false)",
    [id, instance],
  );
}

export interface StatusRow {
  readonly status_id: number;
  readonly status_description: string;
  readonly sent: number;
  /** Seconds since it was touched, read as UTC. */
  readonly age: number;
}

export async function statusOf(database: TestDatabase, instance: string): Promise<StatusRow | undefined> {
  const [row] = await database.query<StatusRow>(
    `SELECT status_id, status_description, sent,
       extract(epoch FROM (now() AT TIME ZONE 'utc') - updated_at)::double precision AS age
     FROM service_statuses WHERE instance_id = $1`,
    [instance],
  );
  return row;
}
