import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import ava from 'ava';
import { transportKinds } from '../../src/transports/index.ts';
import { runHere } from './support.ts';

const test = ava.serial;
const folder = fileURLToPath(new URL('../../config/', import.meta.url));

test('each kind of transport has an example configuration; so have two transports at once, and services', (t) => {
  t.deepEqual(
    readdirSync(folder).toSorted(),
    [...Object.keys(transportKinds), 'two-brokers', 'control-plane'].map((name) => `${name}.yaml`).toSorted(),
  );
});

for (const [kind, excerpts] of [
  ['amqp091', ['codec: oslo', 'url: amqp://openstack:***@rabbitmq.example:5672/%2F', 'mode: none']],
  ['amqp10', ['codec: native', 'url: amqps://conductor:***@amqp.example:5671', 'mode: user-id']],
  ['mqtt', ['codec: native', 'url: mqtts://conductor:***@mqtt.example:8883', 'mode: subject']],
  ['nats', ['codec: native', 'url: tls://conductor:***@nats.example:4222', 'mode: subject']],
  ['two-brokers', ['url: amqps://rabbitmq.example:5671/%2F', 'kind: mqtt', 'password: "***"']],
  [
    'control-plane',
    ['mode: subject', 'task-manager:', 'table: service_statuses', 'resultRetention: 86400000'],
  ],
] as const) {
  test(`config/${kind}.yaml passes check-config`, async (t) => {
    const { code, stdout, errors } = await runHere(['check-config', `${folder}${kind}.yaml`]);
    t.is(code, 0, errors.join('\n'));
    t.deepEqual(errors, []);
    for (const excerpt of excerpts) t.true(stdout.includes(excerpt), `${excerpt} in ${stdout}`);
  });
}
