import { instanceId, osloHeartbeat } from '../messages.ts';

/** Seconds since the epoch. It grows with each message of the process, so no message is stale. */
let lastSent = 0;

/** One heartbeat in so many has another status, so that about 2 % of the heartbeats change a status. */
const otherStatusEvery = 97;

export interface Heartbeat {
  readonly instanceId: string;
  readonly sent: number;
  readonly status: string;
}

/** Heartbeats of so many instances in turn, each with a greater `sent`. */
export function* heartbeats(messages: number, instances: number): Generator<Heartbeat> {
  for (let k = 0; k < messages; k += 1) {
    lastSent = Math.max(lastSent + 0.000_001, Date.now() / 1000);
    yield {
      instanceId: instanceId((k % instances) + 1),
      sent: lastSent,
      status: k % otherStatusEvery === 0 ? 'healthy' : 'running',
    };
  }
}

/** The same in the form of Trove's guests. */
export function* heartbeatBodies(messages: number, instances: number): Generator<Buffer> {
  for (const { instanceId, sent, status } of heartbeats(messages, instances))
    yield osloHeartbeat(instanceId, sent, status);
}
