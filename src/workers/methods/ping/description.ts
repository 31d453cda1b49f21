import { type MethodDescription, object } from '../description.ts';

export const description: MethodDescription = {
  summary: 'Asks whether a conductor answers. The result has its version.',
  args: object([], {}),
  result: object(['pong', 'version'], { pong: { const: true }, version: { type: 'string' } }),
};
