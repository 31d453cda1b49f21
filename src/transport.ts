/**
 * What a transport of your own is made of: `conductor-gateway/transport`. docs/transports.md shows how, and
 * `conductor-gateway/conformance` whether it holds.
 */
export {
  milliseconds,
  nonEmptyText,
  positiveInteger,
  positiveIntegerUpTo,
  urlOf,
  wholeNumber,
} from './core/config/formats.ts';
export {
  type Credentials,
  credentialsOf,
  type SecurityOptions,
  type TlsOptions,
  tlsOptions,
} from './core/config/security.ts';
export {
  type AuthMode,
  type CommonOptions,
  type ConfiguredTransport,
  commonSchema,
  defineKind,
  type SenderContext,
  type TransportContext,
  type TransportKind,
} from './core/config/transport-kind.ts';
export type {
  Address,
  Deliver,
  Delivery,
  DeliveryMeta,
  Publication,
  SenderProof,
  Session,
  Settlement,
  Transport,
} from './core/contracts.ts';
export { settledBy } from './core/deadline.ts';
export { ConfigError, codeOf, messageOf, NotConnected, Undeliverable } from './core/errors.ts';
export type { OutgoingMessage, Reply, Sender, SenderSession } from './core/sending.ts';
export { SettledPrefix } from './core/settled-prefix.ts';
export { tlsFailure } from './core/tls-failure.ts';
