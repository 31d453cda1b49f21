/** `conductor-gateway/manager`: what a deployer's own methods are written with. */
export { CallRefused, Rejected } from './core/errors.ts';
export type { JsonObject } from './core/json.ts';
export { isObject, kindOf } from './core/json.ts';
export { applied, dead, deferred, duplicate, type Outcome, stale } from './core/outcome.ts';
export type { Db } from './workers/db.ts';
export type { CallContext, CallMethod, GuestArgs, Method } from './workers/manager.ts';
export { readId, readSent, readText } from './workers/methods/arguments.ts';
export {
  applyFolded,
  type Fold,
  type FoldedStatements,
  type Refusal,
  type StoredGuard,
} from './workers/methods/fold.ts';
export { type Handler, oneAtATime } from './workers/one-at-a-time.ts';
