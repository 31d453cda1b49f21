import { type JsonSchema, type MethodDescription, object } from '../description.ts';

const seconds: JsonSchema = { type: 'number', exclusiveMinimum: 0 };

export const description: MethodDescription = {
  summary: 'A guest asks how often to report: the seconds between two heartbeats, and until the next one.',
  args: object([], {}),
  result: object(['interval', 'next'], { interval: seconds, next: seconds }),
};
