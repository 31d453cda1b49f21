import { idSchema, type MethodDescription, object } from '../description.ts';
import { statuses } from '../statuses.ts';
import { wait } from './wait-time.ts';

const word = { enum: [...statuses.keys()] };

export const description: MethodDescription = {
  summary: 'Answers once the instance has one of the statuses.',
  args: object(['instance_id', 'status'], {
    instance_id: idSchema,
    status: { anyOf: [word, { type: 'array', items: word, minItems: 1 }] },
    timeout: {
      description: 'Seconds for which the call is held.',
      type: 'number',
      exclusiveMinimum: 0,
      maximum: wait.most,
      default: wait.usual,
    },
  }),
  result: object(['instance_id', 'status', 'now'], {
    instance_id: { type: 'string' },
    status: word,
    now: { description: 'The status when the answer was made.', type: ['string', 'null'] },
  }),
};
