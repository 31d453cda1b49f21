import { isObject } from '../core/json.ts';

/** The answer to `heartbeat_interval`, in seconds. */
export interface HeartbeatInterval {
  /** Between two heartbeats. */
  readonly interval: number;
  /** Until the next one: random, so that guests that start together do not send together. */
  readonly next: number;
}

/** Reads the answer. */
export function intervalIn(answer: unknown): HeartbeatInterval {
  if (isObject(answer) && typeof answer.interval === 'number' && typeof answer.next === 'number')
    return { interval: answer.interval, next: answer.next };
  throw new TypeError(
    'the answer to heartbeat_interval is not in its form: the conductor has another method of this name',
  );
}
