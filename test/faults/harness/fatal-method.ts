/** A method of a deployer's own that ends its worker thread, as native code can that fails. */
import { applied, oneAtATime, readId } from '../../../src/public/manager.ts';

export default {
  end_thread: oneAtATime({
    parse: (args) => {
      const instanceId = readId(args, 'instance_id');
      return { instanceId, key: instanceId, guard: undefined };
    },
    handle: async () => {
      process.exit();
      return applied;
    },
  }),
};
