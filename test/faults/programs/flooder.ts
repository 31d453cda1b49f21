/**
 * A guest in a loop, as a process of its own: it sends as fast as it is told, for as long as it lives.
 *
 * Arguments: the URL of an MQTT broker, the topic, the messages a second, the bodies as a JSON array, and the line of the key if it signs.
 * It sends the bodies in turn. It replaces `"NOW"` in a body by the time, and `NUMBER` by the number of the message.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import mqtt from 'mqtt';
import { readSenderKey } from '../../../src/core/message/sender-key.ts';
import { signedBy } from '../../support/signed.ts';

const [url = '', topic = '', rate = '0', list = '[]', keyLine = ''] = process.argv.slice(2);
const bodies: string[] = JSON.parse(list);

const key = readSenderKey(keyLine);

/** Messages that the broker has not confirmed. */
const most = 500;

const client = await mqtt.connectAsync(url);
const begin = performance.now();
let sent = 0;
let unconfirmed = 0;
for (;;) {
  const due = ((performance.now() - begin) / 1000) * Number(rate);
  while (sent < due && unconfirmed < most) {
    const text = (bodies[sent % bodies.length] ?? '')
      .replaceAll('"NOW"', String(Date.now() / 1000))
      .replaceAll('NUMBER', String(sent));
    sent += 1;
    unconfirmed += 1;
    client.publish(topic, key ? signedBy(key, text) : text, { qos: 1 }, () => {
      unconfirmed -= 1;
    });
  }
  await sleep(2);
}
