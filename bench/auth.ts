import { createSecretKey } from 'node:crypto';
import { jetstream } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import pg from 'pg';
import { stringify } from 'yaml';
import { startConductor } from '../src/conductor.ts';
import { parseConfig } from '../src/core/config/load.ts';
import { createLogger } from '../src/core/logger.ts';
import { encryptSenderKey } from '../src/core/message/sender-key.ts';
import { HmacKey, sign } from '../src/core/message/signature.ts';
import { migrate } from '../src/database/migrate.ts';
import { transportKinds } from '../src/transports/index.ts';
import { startNats } from '../test/support/nats.ts';
import { startPostgres } from '../test/support/postgres.ts';
import { instanceId } from './messages.ts';

export interface AuthBenchOptions {
  readonly messages: number;
  readonly instances: number;
  readonly rounds: number;
}

const modes = ['none', 'hmac'] as const;
type Mode = (typeof modes)[number];

const masterKey = Buffer.alloc(32, 1).toString('base64');
const master = createSecretKey(masterKey, 'base64');

/**
 * Drains heartbeats in the native form from a stream of NATS, without a proof and signed, in turns. Each sender has a key of its own.
 * Tells the rate and the CPU time of the process for each message.
 */
export async function benchAuth(options: AuthBenchOptions, tell: (line: string) => void): Promise<void> {
  const postgres = await startPostgres({ settings: { fsync: 'on' } });
  const nats = await startNats();
  try {
    const url = postgres.url();
    await prepare(url, options.instances);
    const connection = await connect({ servers: nats.url, reconnect: false, noAsyncTraces: true });
    const stream = jetstream(connection);
    const manager = await stream.jetstreamManager();
    await manager.streams.add({ name: 'CONDUCTOR', subjects: ['conductor.*'], retention: 'workqueue' });
    for (let round = 0; round <= options.rounds; round += 1) {
      // The first round warms up: Postgres pays more for the first update of a row.
      for (const mode of round === 0 ? ['none' as const] : modes) {
        const unconfirmed: Promise<unknown>[] = [];
        for (const [sender, body, msgID] of messagesOf(mode, options)) {
          unconfirmed.push(stream.publish(`conductor.${sender}`, body, { msgID }));
          if (unconfirmed.length === 1000) await Promise.all(unconfirmed.splice(0));
        }
        await Promise.all(unconfirmed);
        const { rate, cpu } = await drainedBy(mode, nats.url, url, options.messages);
        if (round > 0)
          tell(`round ${round}, ${mode}: ${rate.toFixed(0)} a second, ${cpu.toFixed(1)} µs CPU a message`);
      }
    }
    await connection.close();
  } finally {
    await nats.stop();
    await postgres.stop();
  }
}

/** Seconds since the epoch. It grows with each message, so no message is stale. */
let lastSent = 0;
/** Messages so far. The stream drops a message whose id it has seen. */
let count = 0;

/** The sender, the body and the id of each message. The client gives a message its id in the protocol's properties too, signed or not. */
function* messagesOf(
  mode: Mode,
  { messages, instances }: AuthBenchOptions,
): Generator<[sender: string, body: Uint8Array, messageId: string]> {
  const ids = Array.from({ length: instances }, (_, index) => instanceId(index + 1));
  const keys = ids.map((id) => new HmacKey(secretOf(id)));
  for (let k = 0; k < messages; k += 1) {
    const sender = ids[k % instances] ?? '';
    const key = keys[k % instances];
    lastSent = Math.max(lastSent + 0.000_001, Date.now() / 1000);
    const args = { instance_id: sender, sent: lastSent, payload: { service_status: 'running' } };
    const body = Buffer.from(JSON.stringify({ method: 'heartbeat', args }));
    const line = { keyId: 'k1', sender, sent: lastSent, messageId: `${sender}-${count}` };
    count += 1;
    yield [sender, mode === 'none' || key === undefined ? body : sign(body, line, key), line.messageId];
  }
}

async function drainedBy(mode: Mode, broker: string, database: string, messages: number) {
  const text = stringify({
    database: { url: database },
    transports: { bench: { kind: 'nats', url: broker, auth: { mode } } },
    keys: { masterKey },
    log: { level: 'warn' },
  });
  const conductor = await startConductor(
    parseConfig(text, 'bench', {}, transportKinds),
    createLogger('error'),
  );
  const account = conductor.counters.get('bench');
  if (account === undefined) throw new Error('the transport has no counters');
  let begin = 0;
  let used = process.cpuUsage();
  await new Promise<void>((resolve) => {
    const poll = setInterval(() => {
      if (begin === 0 && account.received > 0) {
        begin = performance.now();
        used = process.cpuUsage();
      }
      const { applied, stale, duplicate, deferred, dead } = account.outcomes;
      if (deferred + dead > 0) throw new Error(`not all were applied: ${JSON.stringify(account.outcomes)}`);
      if (applied + stale + duplicate < messages) return;
      clearInterval(poll);
      resolve();
    }, 2);
  });
  const seconds = (performance.now() - begin) / 1000;
  const { user, system } = process.cpuUsage(used);
  await conductor.stop();
  return { rate: messages / seconds, cpu: (user + system) / messages };
}

function secretOf(id: string): Buffer {
  return Buffer.alloc(32, id);
}

async function prepare(url: string, instances: number): Promise<void> {
  await migrate({ url, dryRun: false, rollback: false, removeDuplicates: false, log: () => {} });
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const ids = Array.from({ length: instances }, (_, index) => instanceId(index + 1));
  await client.query(
    "INSERT INTO instances (id, name, created, deleted) SELECT id, id, now() AT TIME ZONE 'utc', false FROM unnest($1::text[]) AS id",
    [ids],
  );
  const keys = ids.map((sender) =>
    encryptSenderKey({ sender, keyId: 'k1', secret: secretOf(sender) }, master),
  );
  await client.query(
    "INSERT INTO sender_keys (sender, key_id, encrypted_key) SELECT sender, 'k1', key FROM unnest($1::text[], $2::bytea[]) AS s (sender, key)",
    [ids, keys],
  );
  await client.query('ANALYZE');
  await client.end();
}
