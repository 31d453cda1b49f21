/**
 * `conductor-gateway/transport`: the parts for a transport of your own. docs/transports.md shows how to write one, and
 * `conductor-gateway/conformance` tests it.
 */
export {
  milliseconds,
  nonEmptyText,
  positiveInteger,
  positiveIntegerUpTo,
  urlOf,
  wholeNumber,
} from '../core/config/formats.ts';
export type { AuthMode } from '../core/config/schema-auth.ts';
export {
  type CommonOptions,
  type ConfiguredTransport,
  commonSchema,
  defineKind,
  type SenderSetup,
  type TransportKind,
  type TransportSetup,
} from '../core/config/transport-kind.ts';
export { settledBy } from '../core/deadline.ts';
export { ConfigError, codeOf, Displaced, messageOf, NotConnected, Undeliverable } from '../core/errors.ts';
export type { Reply } from '../core/message/request.ts';
export { type TraceContext, TraceFields } from '../core/message/trace-context.ts';
export { type Option, oneOf, type Section, type ValuesOf } from '../core/options.ts';
export type {
  Address,
  Deliver,
  Delivery,
  DeliveryMeta,
  Inspection,
  KeptSession,
  Publication,
  SenderProof,
  Session,
  Settlement,
  Share,
  Transport,
} from '../core/transport/contract.ts';
export type { Shortfall, Survival } from '../core/transport/durability.ts';
export { establish, lookAt } from '../core/transport/establish.ts';
export { HeldDelivery } from '../core/transport/held-delivery.ts';
export { covers, isWritableName, nameFor, type Wildcards } from '../core/transport/names.ts';
export {
  type Credentials,
  credentialsOf,
  type SecurityOptions,
  type TlsOptions,
  tlsOptions,
} from '../core/transport/security.ts';
export type { OutgoingMessage, Sender, SenderSession } from '../core/transport/sender.ts';
export { SessionLife } from '../core/transport/session-life.ts';
export { type Settled, SettlingOrder } from '../core/transport/settling-order.ts';
export { tlsFailure } from '../core/transport/tls-failure.ts';
export { Unconfirmed } from '../core/transport/unconfirmed.ts';
