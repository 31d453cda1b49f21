import test from 'ava';
import { startConductorHere } from '../support/conductor.ts';
import { createDatabase } from '../support/database.ts';
import { needs, onlyIf } from '../support/services.ts';
import { keyOf, masterKey, storeSenderKeys } from '../support/signed.ts';
import { brokers, canImport, id, keyFile } from './guests-support.ts';
import { startExample } from './support.ts';

/** The callers in examples/guests, as a developer starts them. */

const callTest = canImport('paho.mqtt.client')
  ? needs(test, 'mosquitto', 'postgres')
  : onlyIf(test, false, 'not installed: paho-mqtt: apt-get install python3-paho-mqtt');

for (const signs of [false, true])
  callTest(`call_mqtt.py: it gets the answer to its call, ${signs ? 'signed' : 'plain'}`, async (t) => {
    const { url } = await brokers.mqtt(t);
    const database = await createDatabase(t, { migrated: true });
    await storeSenderKeys(database, keyOf(id));
    const edge = { kind: 'mqtt', version: '3.1.1', url, auth: { mode: signs ? 'hmac' : 'none' } };
    await startConductorHere(t, {
      database: database.url,
      transports: { edge },
      settings: { keys: { masterKey } },
    });
    const variables = signs ? { KEY_FILE: keyFile() } : {};
    const caller = startExample(t, 'python3 examples/guests/call_mqtt.py i1 mqtt://', id, url, variables);
    t.deepEqual(await caller.exited, { code: 0, signal: null }, caller.output());
    t.like(JSON.parse(caller.stdout()), { pong: true });
  });

callTest('call_mqtt.py: it says so if there is no answer', async (t) => {
  const { url } = await brokers.mqtt(t);
  const command = 'python3 examples/guests/call_mqtt.py i1 mqtt://';
  const caller = startExample(t, command, id, url, { CALL_TIMEOUT: '0.5' });
  t.is((await caller.exited).code, 1);
  t.is(caller.stderr(), 'no answer within 0.5 s\n');
});
