/** `conductor-gateway/manager`: the parts for a deployer's own methods. */
export { CallRefused, Rejected } from '../core/errors.ts';
export type { JsonObject } from '../core/json.ts';
export { isObject, jsonTypeOf } from '../core/json.ts';
export type { Notification } from '../core/message/notification.ts';
export { applied, dead, deferred, duplicate, type Outcome, stale } from '../core/message/outcome.ts';
export { readId, readSent, readText } from '../workers/methods/arguments.ts';
export type { CallContext, CallMethod, CastMethod, GuestArgs } from '../workers/methods/contract.ts';
export type { JsonSchema, MethodDescription } from '../workers/methods/description.ts';
export {
  applyFolded,
  type Fold,
  type FoldedStatements,
  type Refusal,
  type StoredGuard,
} from '../workers/methods/fold.ts';
export { type Handler, oneAtATime } from '../workers/methods/one-at-a-time.ts';
export type { Db } from '../workers/postgres/transaction.ts';
