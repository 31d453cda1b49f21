import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ava, { type ExecutionContext } from 'ava';
import mqtt from 'mqtt';
import { serviceStatuses } from '../../src/client/methods.ts';
import { statuses } from '../../src/workers/methods/statuses.ts';
import { runConductor } from '../support/conductor.ts';
import { startMosquitto } from '../support/mosquitto.ts';
import { startProcess } from '../support/processes.ts';
import { needs } from '../support/services.ts';
import { temporaryDirectory } from '../support/temporary.ts';

/** What docs/client.md says, done. */

const test = needs(ava.serial, 'mosquitto');
const path = (relative: string) => fileURLToPath(new URL(`../../${relative}`, import.meta.url));
const page = readFileSync(path('docs/client.md'), 'utf8');
const blocks = (language: string) =>
  [...page.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\``, 'gm'))].map(
    ([, text = '']) => text,
  );

/** A broker of its own, since the addresses are those of everybody; what is heard there, and every call answered. */
async function openBroker(t: ExecutionContext) {
  const mosquitto = await startMosquitto();
  t.teardown(mosquitto.stop);
  const conductor = await mqtt.connectAsync(mosquitto.url, { protocolVersion: 5 });
  t.teardown(() => conductor.endAsync());
  const heard: string[] = [];
  const results: Readonly<Record<string, unknown>> = {
    await_status: { instance_id: 'i1', status: 'healthy', now: 'healthy' },
    heartbeat_interval: { interval: 60, next: 1 },
  };
  conductor.on('message', (_topic, body, { properties }) => {
    const { method } = JSON.parse(body.toString());
    heard.push(method);
    const result = results[method] ?? 'pong';
    const { responseTopic, correlationData } = properties ?? {};
    if (responseTopic !== undefined && correlationData !== undefined)
      conductor.publish(responseTopic, JSON.stringify({ result }), {
        qos: 1,
        properties: { correlationData },
      });
  });
  await conductor.subscribeAsync('conductor/+', { qos: 1 });
  return { url: mosquitto.url, heard };
}

test('the snippets of docs/client.md run in sequence', async (t) => {
  const { url, heard } = await openBroker(t);
  const snippets = blocks('js');
  t.is(snippets.length, 7);
  const program = snippets
    .join('\n')
    .replace('mqtt://127.0.0.1:1883', url)
    .replaceAll("'conductor-gateway/client'", JSON.stringify(path('src/public/client.ts')));
  const file = join(temporaryDirectory('documentation'), 'guest.mjs');
  writeFileSync(file, program);
  const child = startProcess(process.execPath, [file]);
  t.is((await child.exited).code, 0, child.output());
  t.deepEqual(heard.slice(0, 3), ['heartbeat', 'update_backup', 'ping']);
  t.deepEqual(heard.slice(3).toSorted(), ['await_status', 'heartbeat', 'heartbeat_interval']);
  t.is(child.stdout(), 'connected \nclosed \n');
});

test('the commands of docs/client.md run', async (t) => {
  const { url, heard } = await openBroker(t);
  const variables = { CONDUCTOR_TRANSPORTS__EDGE__URL: url };
  const lines = blocks('sh').flatMap((block) => block.trim().split('\n'));
  t.is(lines.length, 3);
  for (const line of lines) {
    // As a shell takes it apart; the example runs for a minute.
    const words = line.replace('--for 60', '--for 1').match(/'[^']*'|\S+/g) ?? [];
    const args = words.slice(4).map((word) => word.replaceAll("'", ''));
    const child = runConductor(
      t,
      args.map((word) => (word.startsWith('config/') ? path(word) : word)),
      variables,
    );
    t.is((await child.exited).code, 0, `${line}\n${child.output()}`);
  }
  t.deepEqual(heard.slice(0, 2), ['heartbeat', 'ping']);
  t.true(heard.length > 5);
});

ava('the client knows the status words that the conductor knows', (t) => {
  t.deepEqual(serviceStatuses.toSorted(), [...statuses.keys()].toSorted());
});
