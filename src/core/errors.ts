import type { ErrorCode } from './error-codes.ts';

/** An error's class tells its consequence, not its origin: the next step follows from the class. */

/** The cause of an error for an operator, and its code, if it is not that of the class. */
export interface OperatorErrorOptions extends ErrorOptions {
  readonly code?: ErrorCode;
}

/** The configuration, or something it names, is wrong; trying again cannot help. The command ends with exit code 2. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly code: ErrorCode;

  constructor(message: string, options: OperatorErrorOptions = {}) {
    super(message, options);
    this.code = options.code ?? 'configuration';
  }
}

/** A broker or database could not be reached or did not accept us now. The supervisor tries again. */
export class NotConnected extends Error {
  override readonly name = 'NotConnected';
  readonly code: ErrorCode;

  constructor(message: string, options: OperatorErrorOptions = {}) {
    super(message, options);
    this.code = options.code ?? 'not-connected';
  }
}

/** Another connection has the session, or may have it. If the session is adopted, its owner is back, and the adopter gives way. */
export class Displaced extends NotConnected {}

/** A broker refuses one message for good: nobody listens at its address, or it may not be sent there. Others may go on. */
export class Undeliverable extends Error {
  override readonly name = 'Undeliverable';
  readonly code = 'undeliverable';
}

/** Reasons that are the mistakes of senders. Any sender may make as many as it likes. */
export const sendersMistakes = [
  'empty',
  'too_large',
  'not_utf8',
  'not_json',
  'bad_envelope',
  'bad_version',
  'unknown_method',
  'not_a_cast',
  'bad_argument',
  'forbidden',
  'undecryptable',
  'foreign_backup',
  'over_quota',
] as const;

/**
 * Why a message can never be applied. It is kept as a dead letter under this code.
 *
 * | code | the message |
 * |---|---|
 * | `empty` | has no body |
 * | `too_large` | has a body over `maxBody`; only a prefix and the digest are kept |
 * | `not_utf8` | is not valid UTF-8 |
 * | `not_json` | is not JSON |
 * | `bad_envelope` | is JSON of another shape than the transport's codec |
 * | `bad_version` | asks for a version that this conductor does not speak |
 * | `unknown_method` | names a method that the Manager does not have |
 * | `not_a_cast` | names a method that has an answer, but says nowhere to send it to |
 * | `bad_argument` | has an argument that is missing, of the wrong type or out of range |
 * | `forbidden` | was sent by a principal that may not send it |
 * | `undecryptable` | is encrypted, and the key of the instance that it names does not open it |
 * | `foreign_backup` | reports about a backup that belongs to another instance |
 * | `over_quota` | comes from a sender that sends far more than its quota |
 * | `refused` | is refused by the database or its method, while others of its method are applied |
 * | `never_known` | is about an instance or backup that was still unknown after the last retry |
 * | `never_unlocked` | still had other transactions in its way after the last retry |
 * | `unpublished` | is a notification of our own that no broker has accepted within `outbox.maxAge`, or that was too many |
 * | `crash` | ended the worker that ran it, twice, or made reading it fail in a way that was not foreseen |
 */
export const deadReasons = [
  ...sendersMistakes,
  'refused',
  'never_known',
  'never_unlocked',
  'unpublished',
  'crash',
] as const;
export type DeadReason = (typeof deadReasons)[number];

/** The message is at fault, and would be again each time it is tried. It becomes a dead letter. */
export class Rejected extends Error {
  override readonly name = 'Rejected';
  readonly reason: DeadReason;
  /** The argument that is at fault, if it is one. */
  readonly argument: string | undefined;

  constructor(reason: DeadReason, detail: string, argument?: string) {
    super(detail);
    this.reason = reason;
    this.argument = argument;
  }
}

/** A call has no result. Its caller is told why, and its transaction is rolled back. */
export class CallRefused extends Error {
  override readonly name = 'CallRefused';
  /** The error's name for the caller, such as `NotFound`; on oslo's wire the name of the exception's class. */
  readonly errorClass: string;
  /** The argument that is at fault, if it is one. */
  readonly argument: string | undefined;

  constructor(errorClass: string, message: string, argument?: string) {
    super(message);
    this.errorClass = errorClass;
    this.argument = argument;
  }
}

/** The code of any thrown value, for a log line or a message to the operator. */
export function errorCodeOf(error: unknown): ErrorCode {
  return error instanceof ConfigError || error instanceof NotConnected ? error.code : 'fault';
}

/** The text of any thrown value, for a log line or a message to the operator. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // Node's AggregateError (several addresses tried) has an empty message of its own.
  if (error instanceof AggregateError && error.message === '') return error.errors.map(messageOf).join('; ');
  return error.message;
}

/** The `code` of a system, Postgres or client library error, if it has one. */
export function codeOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}
