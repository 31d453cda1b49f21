import { holdCauses } from './hold-causes.ts';

/**
 * The codes of errors and warnings for operators. They are part of the interface: a program or an alert may rely on one. docs/errors.md has an
 * entry for each: what it means, and what to do. A test holds the two together.
 */
export const errorCodes = [
  ...holdCauses,
  // At start, and while connecting.
  'configuration',
  'not-connected',
  'broker-sign-in',
  'broker-tls',
  'broker-refuses',
  'broker-topology',
  'broker-settings',
  'session-forgotten',
  'passing-name',
  'database-tls',
  'database-schema',
  'database-privileges',
  'database-pooler',
  'clock-skew',
  'durability',
  'admin-port',
  'manager',
  'data-directory',
  // While it runs.
  'park',
  'put-aside',
  'dead-letter',
  'dead-letters-trimmed',
  'worker-died',
  'wedged',
  'method-failed',
  'answer-unpublished',
  'notifications-wait',
  'status-waits',
  'deferred-wait',
  'redrive-waits',
  'jobs-wait',
  'job-failed',
  'adoption-waits',
  'adopted-by-peer',
  'no-sign-of-life',
  'guests-silent',
  'sweep-suspect',
  'sweep-slow',
  'clock-ahead',
  'clock-behind',
  'messages-dropped',
  'no-replies',
  'reload-failed',
  'stop-late',
  'fault',
] as const;
export type ErrorCode = (typeof errorCodes)[number];
