import * as conductor from '../../../src/public/transport.ts';

/** A transport without a broker, with a mistake: SIGUSR2 makes it fail where nobody handles it. Its message quotes the password. */

const schema = {
  ...conductor.commonSchema('faulty', ['none']),
  mistake: { doc: 'How it fails.', default: 'throw', format: ['throw', 'reject', 'none'] },
  /** Whether its session never ends, not even at its deadline. */
  endless: { doc: 'Whether a stop never ends.', default: false },
};

export default conductor.defineKind(schema, ({ mistake, password, endless }, { name }) => ({
  name,
  connect: async () => {
    process.once('SIGUSR2', () => {
      const error = new Error(`the broker said: wrong password ${password}\nin its own words`);
      if (mistake === 'reject') void Promise.reject(error);
      if (mistake === 'throw') throw error;
    });
    const life = new conductor.SessionLife(() => {});
    return {
      settle: () => {},
      publish: () => Promise.resolve(),
      pause: () => {},
      resume: () => {},
      drain: () => Promise.resolve(),
      stop: (deadline) =>
        endless ? new Promise<void>(() => {}) : life.stop(deadline, () => Promise.resolve()),
      closed: life.closed,
    };
  },
}));
