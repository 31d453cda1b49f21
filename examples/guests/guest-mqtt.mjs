#!/usr/bin/env node
/**
 * A guest over MQTT 5, with Node 20 and the package `mqtt`.
 *
 * Arguments: [INSTANCE_ID [BROKER_URL]], or the environment's INSTANCE_ID and BROKER_URL, where a password stays out of
 * the list of processes. HEARTBEAT_INTERVAL is in seconds. BACKUP_ID names a backup to make.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import mqtt from 'mqtt';

const [instanceId = process.env.INSTANCE_ID, brokerUrl = process.env.BROKER_URL] = process.argv.slice(2);
const { HEARTBEAT_INTERVAL = '30', BACKUP_ID } = process.env;
if (!instanceId || !brokerUrl) throw new Error('INSTANCE_ID and BROKER_URL are needed');

/** The newest that the broker does not have yet about each backup. */
const unreported = new Map();
let awakened = new AbortController();
let stopping = false;
let lastReasonCode;
let lastSent = 0;

/** How the service does that this guest looks after, in a word of docs/protocol.md. Your own check goes here. */
const serviceStatus = () => 'running';

/** Your own backup goes here. It tells what it learns and never waits for the broker. */
async function makeBackup(backupId) {
  const known = {};
  const report = (news) => {
    // All that is known, each time: an older report that arrives late is stale as a whole.
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

/** `sent` grows even if the clock is set back: the conductor takes nothing that is not newer than what it has. */
function message(method, args) {
  lastSent = Math.max(Date.now() / 1000, lastSent + 1e-6);
  return JSON.stringify({ method, args: { instance_id: instanceId, sent: lastSent, ...args } });
}

/** The guest reconnects itself: the client would keep every heartbeat that it could not send, and send all later. */
async function connect() {
  const options = { protocolVersion: 5, clientId: instanceId, reconnectPeriod: 0, keepalive: 10 };
  const client = await mqtt.connectAsync(brokerUrl, options, false);
  // What is wrong is said by whatever is sent next.
  client.on('error', () => {});
  // Not before `end` does the client give up what it waits for.
  client.on('close', () => client.end(true));
  client.on('packetreceive', (packet) => {
    if (packet.cmd === 'puback') lastReasonCode = packet.reasonCode;
  });
  return client;
}

/** Resolves once the broker has the message; rejects if the connection ends before that. */
async function publish(client, body) {
  if (!client.connected) throw new Error('the connection was closed');
  await client.publishAsync(`conductor/${instanceId}`, body, { qos: 1 });
  // Acknowledged and forgotten (MQTT 5, 3.4.2.1): not even a conductor that is away for a moment has subscribed.
  if (lastReasonCode === 0x10) throw new Error('no conductor has subscribed yet');
}

/** There is something to do. It is not forgotten if that is while something else is being done. */
const wake = () => awakened.abort();

/** Resolves after so many milliseconds, or when there is something to do. */
async function pause(milliseconds) {
  await sleep(Math.max(0, milliseconds), undefined, { signal: awakened.signal }).catch(() => {});
  awakened = new AbortController();
}

async function run() {
  let client;
  let failed = 0;
  let heartbeatDue = performance.now();
  while (!stopping) {
    try {
      client ??= await connect();
      if (performance.now() >= heartbeatDue) {
        // Made anew for each attempt: however long the broker is away, there is one heartbeat, the newest.
        await publish(client, message('heartbeat', { payload: { service_status: serviceStatus() } }));
        // Guests that were started together do not stay together.
        heartbeatDue = performance.now() + Number(HEARTBEAT_INTERVAL) * 1000 * (0.9 + 0.2 * Math.random());
      }
      for (const [backupId, known] of unreported) {
        await publish(client, message('update_backup', { backup_id: backupId, ...known }));
        // Unless there is something newer by now.
        if (unreported.get(backupId) === known) unreported.delete(backupId);
      }
      failed = 0;
    } catch (error) {
      process.stderr.write(`not sent: ${error.message || error.code || error}\n`);
      client?.end(true);
      client = undefined;
      failed += 1;
    }
    // After a failure spread over the whole delay, so that a fleet does not fall upon a broker that has just come back.
    const retryAt = performance.now() + Math.random() * 1000 * Math.min(60, 2 ** failed);
    do await pause((failed > 0 ? retryAt : heartbeatDue) - performance.now());
    while (failed > 0 && !stopping && performance.now() < retryAt);
  }
  await client?.endAsync();
}

function stop() {
  stopping = true;
  wake();
  // Not kept by a broker that does not answer.
  setTimeout(process.exit, 5000, 0).unref();
}

process.on('SIGTERM', stop).on('SIGINT', stop);
if (BACKUP_ID) void makeBackup(BACKUP_ID);
await run();
