import { idSchema, type MethodDescription, maxUser, object, orNull, text } from '../description.ts';

export const description: MethodDescription = {
  summary: 'A guest reports that root was enabled on the instance. The first report counts.',
  rules: 'The `user` of the context counts before that of the arguments, and is bounded like it.',
  args: object(['instance_id'], { instance_id: idSchema, user: orNull(text(maxUser)) }),
};
