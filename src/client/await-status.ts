import { randomUUID } from 'node:crypto';
import { fullJitter, pause } from '../core/backoff.ts';
import { NotConnected } from '../core/errors.ts';
import { isObject } from '../core/json.ts';
import { CallTimeout, RemoteError } from './errors.ts';
import type { AwaitedStatus, AwaitStatus, ServiceStatus } from './methods.ts';
import type { CallOptions } from './options.ts';

/** Milliseconds that one call waits at most. The next one follows at once, so a lost answer costs no more than that. */
const longestCall = 60_000;
/** Milliseconds that the conductor's wait is shorter than the call's, so that its answer arrives in time. */
const margin = 2000;
/** Milliseconds between two calls after a failure. */
const backoff = { base: 200, max: 5000 };

/** The client's side, as `awaitStatus` needs it. */
export interface Caller {
  readonly isClosed: () => boolean;
  readonly call: (args: AwaitStatus, options: CallOptions) => Promise<unknown>;
}

/** `Client.awaitStatus`. */
export async function awaitStatus(
  { call, isClosed }: Caller,
  instance: string,
  status: ServiceStatus | readonly ServiceStatus[],
  { timeout = 60_000, messageId = randomUUID(), ...options }: CallOptions = {},
): Promise<AwaitedStatus> {
  const deadline = performance.now() + timeout;
  let left = timeout;
  for (let failures = 0; ; failures += 1) {
    const slice = Math.min(left, longestCall);
    const args = { instance_id: instance, status, timeout: (slice - Math.min(margin, slice / 4)) / 1000 };
    try {
      return statusIn(await call(args, { ...options, messageId, timeout: slice }));
    } catch (error) {
      const isWaitOver = error instanceof RemoteError && error.class === 'Timeout';
      const mayPass = isWaitOver || error instanceof CallTimeout || isPassing(error);
      if (!mayPass || isClosed()) throw error;
      // With the whole time spent, the conductor's words say which status the instance has.
      if (isWaitOver && slice === left) throw new CallTimeout(error.message, messageId);
      if (isWaitOver) failures = -1;
      else await pause(fullJitter(failures, backoff), options.signal);
      left = deadline - performance.now();
      if (left <= 0) throw error;
    }
  }
}

/** Whether another call may succeed. This one changes nothing, so it may be repeated. */
function isPassing(error: unknown): boolean {
  return error instanceof NotConnected || (error instanceof RemoteError && error.class === 'Busy');
}

function statusIn(answer: unknown): AwaitedStatus {
  if (
    isObject(answer) &&
    typeof answer.instance_id === 'string' &&
    typeof answer.status === 'string' &&
    (typeof answer.now === 'string' || answer.now === null)
  )
    return { instance_id: answer.instance_id, status: answer.status, now: answer.now };
  throw new TypeError(
    'the answer to await_status is not in its form: the conductor has another method of this name',
  );
}
