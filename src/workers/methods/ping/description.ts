import { type JsonSchema, type MethodDescription, object } from '../description.ts';

const seconds: JsonSchema = { type: 'number', exclusiveMinimum: 0 };

export const description: MethodDescription = {
  summary:
    "Asks whether a conductor answers. The result has its version, and the guest's pace as heartbeat_interval answers it, but not in oslo's form.",
  args: object([], {}),
  result: object(['pong', 'version'], {
    pong: { const: true },
    version: { type: 'string' },
    interval: seconds,
    next: seconds,
  }),
};
