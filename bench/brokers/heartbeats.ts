import { instanceId, osloHeartbeat } from '../messages.ts';

/** Seconds since the epoch. It grows with each message of the process, so no message is stale. */
let lastSent = 0;

/** One heartbeat in so many has another status, so that about 2 % of the heartbeats change a status. */
const otherStatusEvery = 97;

/** Heartbeats of so many instances in turn, each with a greater `sent`. */
export function heartbeats(messages: number, instances: number): Iterable<Buffer> {
  return (function* () {
    for (let k = 0; k < messages; k += 1) {
      lastSent = Math.max(lastSent + 0.000_001, Date.now() / 1000);
      yield osloHeartbeat(
        instanceId((k % instances) + 1),
        lastSent,
        k % otherStatusEvery === 0 ? 'healthy' : 'running',
      );
    }
  })();
}
