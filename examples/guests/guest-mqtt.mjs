#!/usr/bin/env node
/**
 * A guest over MQTT 5, with Node 20 and the package `mqtt`.
 *
 * Arguments: [INSTANCE_ID [BROKER_URL]]. The environment may set INSTANCE_ID and BROKER_URL instead, which keeps a password out of the
 * list of processes. HEARTBEAT_INTERVAL is in seconds; it counts until the conductor has said how often to report. BACKUP_ID names a
 * backup to make.
 * KEY_FILE has the line that `conductor keys create` prints. With it the guest signs.
 */
import { createHmac, randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import mqtt from 'mqtt';

const [instanceId = process.env.INSTANCE_ID, brokerUrl = process.env.BROKER_URL] = process.argv.slice(2);
const { HEARTBEAT_INTERVAL = '30', BACKUP_ID, KEY_FILE } = process.env;
if (!instanceId || !brokerUrl) throw new Error('INSTANCE_ID and BROKER_URL are needed');

/** Heartbeats after which the conductor is asked anew how often to report: the fleet may have grown. */
const askEvery = 20;
/** Milliseconds to wait for its answer. */
const patience = 3000;
const replies = `replies/${instanceId}`;

/** The newest state of each backup that the broker does not have yet. */
const unreported = new Map();
let awakened = new AbortController();
let stopping = false;
const stopped = new AbortController();
let lastReasonCode;
let lastSent = 0;
/** The call that waits for its answer. */
let asked;

/** The state of the service, as a word of docs/protocol.md. Put your own check here. */
const serviceStatus = () => 'running';

/** Put your own backup here. It reports its progress and never waits for the broker. */
async function makeBackup(backupId) {
  const known = {};
  const report = (news) => {
    // Each report has all that is known. If an older report arrives late, all of it is stale.
    unreported.set(backupId, { ...Object.assign(known, news) });
    wake();
  };
  report({ state: 'BUILDING', backup_type: 'full' });
  for (const size of [0.1, 0.2, 0.3]) {
    await sleep(500, undefined, { ref: false });
    report({ state: 'SAVING', size });
  }
  report({ state: 'COMPLETED', checksum: 'd41d8cd98f00b204e9800998ecf8427e' });
}

/** `sent` grows even if the clock is set back. The conductor applies only a message that is newer than the last one. */
function message(method, args) {
  lastSent = Math.max(Date.now() / 1000, lastSent + 1e-6);
  return signed(JSON.stringify({ method, args: { instance_id: instanceId, sent: lastSent, ...args } }));
}

/** The body with its signature, as docs/protocol.md has it. Without a key, the body as it is. */
function signed(body, messageId = randomUUID()) {
  if (KEY_FILE === undefined) return body;
  const [sender, keyId, key] = readFileSync(KEY_FILE, 'utf8').trim().split(' ');
  const rest = `1 ${keyId} ${sender} ${(Date.now() / 1000).toFixed(6)} ${messageId}\n${body}`;
  const signature = createHmac('sha256', Buffer.from(key, 'base64url')).update(rest).digest('hex');
  return `hmac-sha256 ${signature}\n${rest}`;
}

/** The guest reconnects itself. The client would keep every unsent heartbeat, and send all of them later. */
async function connect() {
  const options = { protocolVersion: 5, clientId: instanceId, reconnectPeriod: 0, keepalive: 10 };
  const client = await mqtt.connectAsync(brokerUrl, options, false);
  // The next publish reports the error.
  client.on('error', () => {});
  // Only `end` makes the client reject the publishes that wait.
  client.on('close', () => client.end(true));
  client.on('packetreceive', (packet) => {
    if (packet.cmd === 'puback') lastReasonCode = packet.reasonCode;
  });
  client.on('message', (_, body) => takeAnswer(body.toString()));
  // A broker that refuses it sends no answers, and the guest keeps its own pace.
  await client.subscribeAsync(replies, { qos: 1 }).catch(() => {});
  return client;
}

/** A late answer to an earlier call has another id. */
function takeAnswer(text) {
  try {
    const { correlation_id: id, result } = JSON.parse(text);
    if (id === asked?.id) asked.resolve(result);
  } catch {
    // No answer of the conductor's.
  }
}

/** Asks the conductor how often to report. Resolves with the seconds between two heartbeats and until the next one; undefined without an answer. */
async function askPace(client) {
  const id = randomUUID();
  const answer = new Promise((resolve) => {
    asked = { id, resolve };
  });
  // The reply address stands in the body, where it is signed too.
  const address = { reply_to: replies, correlation_id: id, message_id: id };
  await publish(client, signed(JSON.stringify({ method: 'heartbeat_interval', args: {}, ...address }), id));
  const pace = await Promise.race([
    answer,
    sleep(patience, undefined, { signal: stopped.signal }).catch(() => {}),
  ]);
  const isTime = (seconds) => typeof seconds === 'number' && seconds >= 0.001 && seconds <= 86_400;
  return isTime(pace?.interval) && isTime(pace.next) ? pace : undefined;
}

/** Resolves when the broker has the message. Rejects if the connection ends before that. */
async function publish(client, body) {
  if (!client.connected) throw new Error('the connection was closed');
  await client.publishAsync(`conductor/${instanceId}`, body, { qos: 1 });
  // The broker acknowledges the message and drops it, because nobody has subscribed (MQTT 5, 3.4.2.1).
  if (lastReasonCode === 0x10) throw new Error('no conductor has subscribed yet');
}

/** Ends the pause. If the guest is not in a pause, the next pause ends at once. */
const wake = () => awakened.abort();

/** Resolves after this time, or when `wake` is called. */
async function pause(milliseconds) {
  await sleep(Math.max(0, milliseconds), undefined, { signal: awakened.signal }).catch(() => {});
  awakened = new AbortController();
}

async function run() {
  let client;
  let failed = 0;
  let heartbeatDue = performance.now();
  let interval = Number(HEARTBEAT_INTERVAL);
  let beats = 0;
  let askAt = 1;
  while (!stopping) {
    try {
      client ??= await connect();
      if (performance.now() >= heartbeatDue) {
        // Each attempt makes a new heartbeat. So after an outage of the broker there is one heartbeat, the newest.
        await publish(client, message('heartbeat', { payload: { service_status: serviceStatus() } }));
        // Guests that start together do not send together: the first pause is up to twice as long. Later ones have jitter.
        const share = beats === 0 ? 1 + Math.random() : 0.9 + 0.2 * Math.random();
        heartbeatDue = performance.now() + interval * 1000 * share;
        beats += 1;
        if (beats >= askAt) {
          const pace = await askPace(client);
          askAt = beats + askEvery;
          if (pace !== undefined) {
            interval = pace.interval;
            heartbeatDue = performance.now() + pace.next * 1000;
          }
        }
      }
      for (const [backupId, known] of unreported) {
        await publish(client, message('update_backup', { backup_id: backupId, ...known }));
        // A newer report may have come meanwhile.
        if (unreported.get(backupId) === known) unreported.delete(backupId);
      }
      failed = 0;
    } catch (error) {
      process.stderr.write(`not sent: ${error.message || error.code || error}\n`);
      client?.end(true);
      client = undefined;
      failed += 1;
    }
    // After a failure the delay is random, so that a fleet does not overload a broker that has just come back.
    const retryAt = performance.now() + Math.random() * 1000 * Math.min(60, 2 ** failed);
    do await pause((failed > 0 ? retryAt : heartbeatDue) - performance.now());
    while (failed > 0 && !stopping && performance.now() < retryAt);
  }
  await client?.endAsync();
}

function stop() {
  stopping = true;
  stopped.abort();
  wake();
  // A broker that does not answer cannot keep the process alive.
  setTimeout(process.exit, 5000, 0).unref();
}

process.on('SIGTERM', stop).on('SIGINT', stop);
if (BACKUP_ID) void makeBackup(BACKUP_ID);
await run();
