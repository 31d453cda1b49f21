/** The messages of a soak: those of a round, but of a fleet that does not grow, and nearly all heartbeats change nothing. */
import { busyInstances, instanceId, kindOf, messageOf, type Numbered, sentOf } from '../messages.ts';

/** Heartbeats of an instance until its status changes. */
const changeEvery = 50;
const statuses = ['running', 'healthy', 'shutdown'] as const;

export const instanceOfSoak = (n: number): string => instanceId('busy', n % busyInstances);

export function soakMessage(n: number, begin: number): Numbered {
  const kind = kindOf(n);
  if (kind !== 'busy' && kind !== 'once') return messageOf(n, begin, 'native');
  const sender = instanceOfSoak(n);
  const turn = Math.floor(n / busyInstances / changeEvery);
  const status = statuses[turn % statuses.length];
  const args = { instance_id: sender, sent: sentOf(begin, n), payload: { service_status: status } };
  return { n, sender, body: Buffer.from(JSON.stringify({ method: 'heartbeat', args })) };
}

/** The newest message of each instance among so many. */
export function newestOf(count: number): Map<string, number> {
  const newest = new Map<string, number>();
  for (let n = Math.max(0, count - 10 * busyInstances); n < count; n += 1) {
    const kind = kindOf(n);
    if (kind === 'busy' || kind === 'once') newest.set(instanceOfSoak(n), n);
  }
  return newest;
}
