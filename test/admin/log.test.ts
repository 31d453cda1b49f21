import { randomUUID } from 'node:crypto';
import { mock } from 'node:test';
import test from 'ava';
import mqtt from 'mqtt';
import { pino } from 'pino';
import { retryDeferredJob } from '../../src/jobs/retry-deferred.ts';
import { startConductorHere } from '../support/conductor.ts';
import { createDatabase } from '../support/database.ts';
import { needs, service } from '../support/services.ts';
import { waitFor } from '../support/wait.ts';

/** What a replica logs of what goes wrong: enough to find it, and no more lines than somebody reads. */

needs(
  test,
  'mosquitto',
  'postgres',
)('each dead letter is one line with its sender and its reason, without its body', async (t) => {
  const { url } = service('mosquitto');
  const name = `log-${randomUUID()}`;
  const database = await createDatabase(t, { migrated: true });
  const { log } = await startConductorHere(t, {
    database: database.url,
    transports: { edge: { kind: 'mqtt', url, topic: `${name}/+`, group: name, clientId: name } },
    settings: { deferred: { interval: 50, firstDelay: 50, maxDelay: 50, maxAge: 100 } },
  });
  const client = await mqtt.connectAsync(url, { protocolVersion: 5 });
  t.teardown(() => client.endAsync());
  const publish = (body: string) =>
    client.publishAsync(`${name}/i-1`, body, {
      qos: 1,
      properties: { userProperties: { 'message-id': 'm-1' } },
    });
  await publish(
    '{"method":"heartbeat","args":{"instance_id":"i-1","sent":"soon","payload":{"secret":"s3cret"}}}',
  );
  const line = await log.line('dead letter');
  t.like(line, {
    level: 'warn',
    transport: 'edge',
    reason: 'bad_argument',
    method: 'heartbeat',
    instanceId: 'i-1',
    messageId: 'm-1',
  });
  t.regex(String(line.detail), /sent/);
  t.notRegex(JSON.stringify(line), /s3cret/);
  // One that was deferred and dies of age, far from any batch.
  await publish(
    '{"method":"heartbeat","args":{"instance_id":"i-2","sent":1,"payload":{"service_status":"running"}}}',
  );
  t.like(await log.line('dead letter', 2), { transport: 'edge', reason: 'never_known', instanceId: 'i-2' });
});

needs(
  test,
  'mosquitto',
  'postgres',
)('the log names some dead letters of a flood and counts the others', async (t) => {
  const { url } = service('mosquitto');
  const name = `log-${randomUUID()}`;
  const database = await createDatabase(t, { migrated: true });
  const conductor = await startConductorHere(t, {
    database: database.url,
    transports: { edge: { kind: 'mqtt', url, topic: `${name}/+`, group: name, clientId: name } },
  });
  const client = await mqtt.connectAsync(url);
  t.teardown(() => client.endAsync());
  await Promise.all(
    Array.from({ length: 500 }, () => client.publishAsync(`${name}/i-1`, 'no JSON', { qos: 1 })),
  );
  await waitFor(() => conductor.counters.get('edge')?.outcomes.dead === 500, { what: 'them to be recorded' });
  await conductor.stop();
  const named = conductor.log.lines('dead letter').length;
  t.true(named >= 10 && named < 60, `${named}`);
  const further = conductor.log.all().filter(({ msg }) => / further dead letters in the last 10 s/.test(msg));
  t.is(named + further.reduce((sum, { count }) => sum + Number(count), 0), 500);
  t.true(further.every(({ counts }) => JSON.stringify(counts).startsWith('{"edge not_json":')));
});

/** The lines of rounds of retries, one a second, that all have this result. */
async function rounds(
  t: { teardown(end: () => void): void },
  count: number,
  round: { retried?: number; resolved?: number; failedBecause?: string },
) {
  let now = 0;
  mock.method(performance, 'now', () => now);
  t.teardown(() => mock.restoreAll());
  const lines: Record<string, unknown>[] = [];
  const logger = pino(
    { base: null, timestamp: false },
    { write: (line: string) => void lines.push(JSON.parse(line)) },
  );
  const job = retryDeferredJob({
    transport: 'edge',
    interval: 1000,
    retry: () => Promise.resolve({ retried: 0, resolved: 0, isUnfinished: false, ...round }),
    logger,
  });
  const { signal } = new AbortController();
  for (let done = 0; done < count; done += 1) {
    await job.run(signal);
    now += 1000;
  }
  return lines;
}

test.serial('the results of several rounds of retries are summed up in one line', async (t) => {
  const lines = await rounds(t, 60, { retried: 5, resolved: 2 });
  t.true(lines.length <= 3 + 6, `${lines.length}`);
  t.true(lines.every(({ msg }) => msg === 'retried deferred messages'));
  t.is(lines.at(-1)?.retried, 50);
});

test.serial('rounds that fail log one line, and then one a minute', async (t) => {
  const lines = await rounds(t, 100, { failedBecause: 'no database' });
  t.deepEqual(
    lines.map(({ msg, because }) => `${msg}: ${because}`),
    ['deferred messages wait: no database', 'deferred messages wait: no database'],
  );
});

test.serial('rounds that do nothing log nothing', async (t) => {
  t.deepEqual(await rounds(t, 10, {}), []);
});
