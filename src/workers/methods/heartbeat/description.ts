import { idSchema, type MethodDescription, object, withAndWithoutSent } from '../description.ts';
import { statuses } from '../statuses.ts';

export const description: MethodDescription = {
  summary: 'A guest reports that it is alive, and the status of its service.',
  ...withAndWithoutSent(['instance_id', 'payload'], {
    instance_id: idSchema,
    payload: object([], { service_status: { enum: [...statuses.keys(), null] } }),
  }),
};
