import { heartbeat } from '../../../src/workers/methods/heartbeat.ts';

/** Methods that end the thread they run in. */
export default {
  exit: { ...heartbeat, apply: () => process.exit(7) },
  allocate: {
    ...heartbeat,
    apply: () => {
      for (const hoard: unknown[] = []; ; ) hoard.push(new Array(10_000).fill(hoard.length));
    },
  },
};
