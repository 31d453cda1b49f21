import type { MqttClient, Packet } from 'mqtt';
import { settledBy } from '../../core/deadline.ts';

/**
 * Milliseconds in which nothing comes from a broker that has nothing left. Brokers with several processes answer for the
 * subscription in one of them and send from another.
 */
const quietTime = 250;

/** MQTT 5, section 3.11.3: reason codes from here on are refusals. */
const refusals = 0x80;

/**
 * Unsubscribes and lets come what the broker still has. The second UNSUBACK is written behind what was on its way when the first one
 * took effect.
 *
 * @returns whether both were granted and the connection is still there; the caller knows whether something has come.
 */
export async function leavesNothing(
  client: MqttClient,
  subscription: string,
  deadline: AbortSignal,
): Promise<boolean> {
  for (let round = 0; round < 2; round += 1)
    if (!(await unsubscribed(client, subscription, deadline))) return false;
  await settledBy(new Promise((resolve) => setTimeout(resolve, quietTime)), deadline);
  return client.connected && !deadline.aborted;
}

async function unsubscribed(
  client: MqttClient,
  subscription: string,
  deadline: AbortSignal,
): Promise<boolean> {
  let answer: Packet | undefined;
  const asked = client.unsubscribeAsync(subscription).then((packet) => {
    answer = packet;
  });
  // The deadline is not the only end of waiting: the library forgets its callbacks when the connection closes.
  const closed = new Promise<void>((resolve) => client.once('close', resolve));
  await settledBy(Promise.race([asked, closed]), deadline);
  return answer?.cmd === 'unsuback' && (answer.granted ?? []).every((code) => code < refusals);
}
