import { isObject } from '../core/json.ts';
import type { HeartbeatInterval } from './methods.ts';

/** Reads the answer. */
export function intervalIn(answer: unknown): HeartbeatInterval {
  if (isObject(answer) && typeof answer.interval === 'number' && typeof answer.next === 'number')
    return { interval: answer.interval, next: answer.next };
  throw new TypeError(
    'the answer to heartbeat_interval is not in its form: the conductor has another method of this name',
  );
}
