import type { Packet } from 'mqtt';
import { settledBy } from '../../core/deadline.ts';
import { ConfigError, messageOf } from '../../core/errors.ts';
import type { Connection } from './connect.ts';

/**
 * MQTT 5: retained messages come with the first subscription of a session only, not with each connection; and the flag stays, by which
 * the clearing of one is told from an empty message. 3.1.1 has a word for neither.
 */
const subscribeOptions = { qos: 1, rh: 1, rap: true } as const;

/**
 * Milliseconds in which nothing comes from a broker that has nothing left. Brokers with several processes answer for the
 * subscription in one of them and send from another.
 */
const quietTime = 250;

/** MQTT 5, section 3.11.3: reason codes from here on are refusals. */
const refusals = 0x80;

/** Rejects with ConfigError if the broker does not grant it with QoS 1. */
export async function subscribe({ client, life }: Connection, subscription: string): Promise<void> {
  let granted: number | undefined;
  try {
    const [grant] = await life.wait(client.subscribeAsync(subscription, subscribeOptions));
    granted = grant?.qos;
  } catch (error) {
    if (!life.open) throw error;
    throw new ConfigError(`the broker refuses the subscription to ${subscription}: ${messageOf(error)}`);
  }
  if (granted !== 1)
    throw new ConfigError(`the broker grants the subscription to ${subscription} with QoS ${granted}, not 1`);
}

/**
 * Unsubscribes and lets come what the broker still has. The second UNSUBACK is written behind what was on its way when the first one
 * took effect.
 *
 * @returns whether both were granted and the connection is still there; the caller knows whether something has come.
 */
export async function leavesNothing(
  connection: Connection,
  subscription: string,
  deadline: AbortSignal,
): Promise<boolean> {
  for (let round = 0; round < 2; round += 1)
    if (!(await unsubscribed(connection, subscription, deadline))) return false;
  await settledBy(new Promise((resolve) => setTimeout(resolve, quietTime)), deadline);
  return connection.life.open && !deadline.aborted;
}

async function unsubscribed(
  { client, life }: Connection,
  subscription: string,
  deadline: AbortSignal,
): Promise<boolean> {
  let answer: Packet | undefined;
  const asked = client.unsubscribeAsync(subscription).then((packet) => {
    answer = packet;
  });
  // The deadline is not the only end of waiting: the library forgets its callbacks when the connection closes.
  await settledBy(life.wait(asked), deadline);
  return answer?.cmd === 'unsuback' && (answer.granted ?? []).every((code) => code < refusals);
}
