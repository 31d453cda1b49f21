/**
 * Why messages are held. The list is short, since it is a label of a metric and a code of the log; `heldBecause` has the details.
 *
 * | cause | what is wrong |
 * |---|---|
 * | `database-unreachable` | there is no connection to Postgres, or it stops or starts |
 * | `database-read-only` | Postgres takes no changes: a standby, or a primary that became one |
 * | `database-full` | its disk is full |
 * | `database-overloaded` | it is short of connections or memory |
 * | `database-sign-in` | it refuses the user or the password |
 * | `database-refuses` | it refuses for another reason, such as a missing database or table |
 * | `refusal-storm` | it refuses so many messages that the schema is more likely at fault (`deadLetters.stormShare`) |
 * | `deferred-full` | all messages of a method fail, and no more can be put aside (`deferred.maxRows`) |
 * | `locked` | other transactions lock what the messages need |
 * | `worker-failed` | a worker thread died or left messages without an outcome: a fault of the conductor or of a deployer's method |
 */
export const holdCauses = [
  'database-unreachable',
  'database-read-only',
  'database-full',
  'database-overloaded',
  'database-sign-in',
  'database-refuses',
  'refusal-storm',
  'deferred-full',
  'locked',
  'worker-failed',
] as const;
export type HoldCause = (typeof holdCauses)[number];
