import type { Packet } from 'mqtt';
import { settledBy } from '../../core/deadline.ts';
import { ConfigError, messageOf } from '../../core/errors.ts';
import type { Connection } from './connect.ts';

/**
 * MQTT 5: retained messages come only with the first subscription of a session, not with each connection. And messages keep the flag, which
 * tells the clearing of a retained message from an empty message. 3.1.1 has neither option.
 */
const subscribeOptions = { qos: 1, rh: 1, rap: true } as const;

/**
 * Milliseconds of silence after which the broker has nothing left. A broker with several processes may answer the subscription in one of
 * them and send messages from another.
 */
const quietTime = 250;

/** Reason codes from here on are refusals (MQTT 5, section 3.11.3). */
const refusals = 0x80;

/** Rejects with ConfigError if the broker does not grant the subscription with QoS 1. */
export async function subscribe({ client, life }: Connection, subscription: string): Promise<void> {
  let granted: number | undefined;
  try {
    const [grant] = await life.wait(client.subscribeAsync(subscription, subscribeOptions));
    granted = grant?.qos;
  } catch (error) {
    if (!life.open) throw error;
    throw new ConfigError(`the broker refuses the subscription to ${subscription}: ${messageOf(error)}`, {
      code: 'broker-refuses',
    });
  }
  if (granted !== 1)
    throw new ConfigError(
      `the broker grants the subscription to ${subscription} with QoS ${granted}, not 1`,
      { code: 'broker-refuses' },
    );
}

/**
 * Unsubscribes and receives the messages that the broker still has. The second UNSUBACK comes after the messages that were under way when
 * the first one took effect.
 *
 * @returns whether the broker granted both and the connection is still open. The caller knows whether messages have come.
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
  // The wait also ends with the connection: the library drops its callbacks when the connection closes.
  await settledBy(life.wait(asked), deadline);
  return answer?.cmd === 'unsuback' && (answer.granted ?? []).every((code) => code < refusals);
}
