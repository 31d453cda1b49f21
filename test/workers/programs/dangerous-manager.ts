import { heartbeat } from '../../../src/workers/methods/heartbeat.ts';
import { notifyEnd } from '../../../src/workers/methods/notify.ts';

/** A Manager with methods that end the thread they run in. */
export const manager = {
  heartbeat,
  notify_end: notifyEnd,
  exit: { ...heartbeat, apply: () => process.exit(7) },
  allocate: {
    ...heartbeat,
    apply: () => {
      for (const hoard: unknown[] = []; ; ) hoard.push(new Array(10_000).fill(hoard.length));
    },
  },
};
