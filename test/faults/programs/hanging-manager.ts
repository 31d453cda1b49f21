import { heartbeat } from '../../../src/workers/methods/heartbeat/index.ts';

/** A method that never comes back: it waits for something that does not happen. */
export default { hang: { ...heartbeat, apply: () => new Promise(() => {}) } };
