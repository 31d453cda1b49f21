import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { parseConfig } from '../src/core/config/load.ts';
import { transportKinds } from '../src/transports/index.ts';
import { statuses } from '../src/workers/methods/statuses.ts';
import { startConductorHere } from './support/conductor.ts';
import { createDatabase } from './support/database.ts';
import { findProgram, startProcess } from './support/processes.ts';
import { needs, onlyIf, service } from './support/services.ts';
import { waitFor } from './support/wait.ts';
import { insertInstances, statusOf } from './support/worker.ts';

/** What the documentation says, done. */

const root = fileURLToPath(new URL('..', import.meta.url));
const pages = [
  'README.md',
  'CONTRIBUTING.md',
  'CHANGELOG.md',
  'examples/README.md',
  ...readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];
const read = (page: string) => readFileSync(join(root, page), 'utf8');

/** The commands of all shell blocks, and what proves each. Whoever adds one has to say where it is run. */
const proven: Record<string, string> = {
  'npm ci && npm start': 'test/demo/demo.test.ts',
  'npm ci && npm test': '.ci/run',
  'npm ci': '.ci/run',
  'npm run lint': '.ci/run',
  'npm run types': '.ci/run',
  'npm test': '.ci/run',
  'npm run test:faults': '.ci/run',
  'npm run conductor -- migrate --config config/amqp091.yaml --dry-run': 'test/command-line/services.test.ts',
  'npm run conductor -- migrate --config config/amqp091.yaml': 'test/command-line/services.test.ts',
  'npm run conductor -- start --config config/amqp091.yaml': 'test/end-to-end/trove.test.ts',
  'npm run bench': 'test/bench/scenarios.test.ts',
  'npm run bench -- drain --transport amqp091': 'test/bench/drain.test.ts',
  'npm run bench -- knee --transport nats --rate 1000 --seconds 10': 'test/bench/scenarios.test.ts',
  'npm run bench -- mixed --transport nats --rate 2000 --broker nats://broker.example:4222 --database postgresql://bench@postgres.example/conductor':
    'test/bench/scenarios.test.ts',
  'npm run bench -- peers': 'test/bench/peers.test.ts',
  'npm run bench -- statement': 'test/bench/drain.test.ts',
  'npm run bench -- size-check': 'test/bench/scenarios.test.ts',
  'conductor size --bench bench-results/bench.json --instances 100000 --interval 10':
    'test/command-line/size.test.ts',
  'npm run conductor -- cast heartbeat --args \'{"payload": {"service_status": "running"}}\' --sender i1 --config config/mqtt.yaml':
    'test/client/documentation.test.ts',
  'npm run conductor -- call ping --sender i1 --timeout 5 --config config/mqtt.yaml':
    'test/client/documentation.test.ts',
  'npm run conductor -- simulate --guests 100 --interval 10 --jitter 0.2 --die 0.05 --for 60 --config config/mqtt.yaml':
    'test/client/documentation.test.ts',
  'conductor describe conductor.yaml': 'test/command-line/describe.test.ts',
  'conductor describe conductor.yaml --schemas': 'test/command-line/describe.test.ts',
  "NODE_OPTIONS='--import ./tracing.mjs' conductor start --config conductor.yaml":
    'test/examples/tracing.test.ts',
  'conductor doctor conductor.yaml': 'test/command-line/doctor.test.ts',
  'conductor dead list --config conductor.yaml --reason refused --newer-than 2h':
    'test/command-line/dead.test.ts',
  'conductor dead show 17 --config conductor.yaml': 'test/command-line/dead.test.ts',
  'conductor dead edit 17 --config conductor.yaml': 'test/command-line/dead.test.ts',
  'conductor dead redrive --config conductor.yaml --reason refused --text no_crash --rate 200':
    'test/command-line/dead.test.ts',
  'conductor dead purge --config conductor.yaml --reason not_json --older-than 7d':
    'test/command-line/dead.test.ts',
  'conductor keys create i1 --config conductor.yaml': 'test/command-line/keys.test.ts',
  'node --max-semi-space-size=4 test/fuzz.ts bodies 10': 'test/packages/fuzz.test.ts',
  'node --max-semi-space-size=4 test/fuzz.ts properties 10': 'test/packages/fuzz.test.ts',
  'python3 examples/signed-messages/verify.py': 'test/examples/signed-messages.test.ts',
  "rabbitmqctl set_permissions i1 '^$' '^conductor$' '^$'": 'test/end-to-end/broker-rules.test.ts',
  "rabbitmqctl set_topic_permissions i1 conductor '^conductor\\.{username}$' '^$'":
    'test/end-to-end/broker-rules.test.ts',
  'python3 examples/guests/guest_mqtt.py i1 mqtt://127.0.0.1:1883': 'test/examples/guests.test.ts',
  'python3 examples/guests/guest_amqp.py i1 amqp://guest:guest@127.0.0.1:5672/%2F':
    'test/examples/guests.test.ts',
  'python3 examples/guests/guest_nats.py i1 nats://127.0.0.1:4222': 'test/examples/guests.test.ts',
  'node examples/guests/guest-mqtt.mjs i1 mqtt://127.0.0.1:1883': 'test/examples/guests.test.ts',
  'bash examples/guests/guest.sh i1 mqtt://127.0.0.1:1883': 'test/examples/guests.test.ts',
  'bash examples/guests/guest.sh i1 amqp://guest:guest@127.0.0.1:5672/%2F': 'test/examples/guests.test.ts',
  'python3 examples/guests/call_mqtt.py i1 mqtt://127.0.0.1:1883': 'test/examples/calls.test.ts',
};

/** Pages with a test that runs all of their commands: test/examples/tutorials.test.ts and test/end-to-end/migrating.test.ts. */
const runsAllOf = /^docs\/(?:tutorials\/|migrating\.md$)/;

function shellCommands(page: string): string[] {
  return [...read(page).matchAll(/^ *```sh\n([\s\S]*?)^ *```/gm)].flatMap(([, block = '']) =>
    block
      .split('\n')
      .map((line) => line.trim())
      .filter((line) => line !== ''),
  );
}

test('every command in the documentation is run by a test', (t) => {
  for (const page of pages) {
    for (const command of shellCommands(page)) {
      if (command.startsWith('mosquitto_pub') || runsAllOf.test(page)) continue;
      const proof = proven[command];
      t.truthy(proof, `${page}: ${command}`);
      if (proof !== undefined) t.true(existsSync(join(root, proof)), proof);
    }
  }
});

test('the configuration in the README is complete', (t) => {
  const [, text = ''] = /^```yaml\n([\s\S]*?)^```/m.exec(read('README.md')) ?? [];
  const { transports } = parseConfig(text, 'README.md', {}, transportKinds);
  t.deepEqual(
    transports.map(({ name, options }) => [name, options.kind]),
    [['edge', 'mqtt']],
  );
});

test('every link has a target', (t) => {
  for (const page of pages) {
    for (const [, target = ''] of read(page).matchAll(/\]\(([^)#:]+)\)/g)) {
      t.true(existsSync(join(root, dirname(page), target)), `${page}: ${target}`);
    }
  }
});

const hearing =
  findProgram('mosquitto_pub') === undefined
    ? onlyIf(test, false, 'mosquitto_pub is not installed: apt-get install mosquitto-clients')
    : needs(test, 'mosquitto');
hearing('the shell guest in docs/protocol.md reports its status', async (t) => {
  const command = shellCommands('docs/protocol.md').find((line) => line.startsWith('mosquitto_pub'));
  const database = await createDatabase(t, { migrated: true });
  await insertInstances(database, 'i1');
  const { url, port } = service('mosquitto');
  const transports = {
    edge: { kind: 'mqtt', url, group: 'documentation', clientId: 'documentation', auth: { mode: 'subject' } },
  };
  await startConductorHere(t, { database: database.url, transports });
  const { code } = await startProcess('sh', ['-c', `${command} -h 127.0.0.1 -p ${port}`]).exited;
  t.is(code, 0);
  const row = await waitFor(() => statusOf(database, 'i1'), { what: 'the heartbeat in Postgres' });
  t.is(row.status_description, 'running');
});

test('the page on the protocol names every status word, and the page on the configuration names every kind', (t) => {
  const protocol = read('docs/protocol.md').replaceAll('\n', ' ');
  for (const word of statuses.keys()) t.true(protocol.includes(word), word);
  for (const kind of Object.keys(transportKinds)) t.true(read('docs/configuration.md').includes(kind), kind);
});

needs(test, 'postgres')('every query in docs/operating.md runs, with any rows', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  const bodies = ['', 'plain', 'back\\slash', 'é', '\u{feff}', '\0'].map((text) => Buffer.from(text));
  for (const body of [...bodies, Buffer.from([0xff, 0xfe, 0x00, 0x80]), Buffer.from([0xc3]), null])
    await database.query(
      `INSERT INTO dead_letters (transport, reason, detail, body, body_size, body_digest)
       VALUES ('edge', 'not_utf8', 'a detail', $1, 0, '')`,
      [body],
    );
  const queries = [...read('docs/operating.md').matchAll(/^```sql\n([\s\S]*?)^```/gm)].flatMap(
    ([, block = '']) => block.split(/;\s*$/m).filter((query) => query.trim() !== ''),
  );
  t.true(queries.length >= 3);
  for (const query of queries) await t.notThrowsAsync(database.query(query), query);
});
