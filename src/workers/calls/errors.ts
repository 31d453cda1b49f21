import { CallRefused, messageOf, Rejected } from '../../core/errors.ts';
import { callErrorOf, columnOf } from '../postgres/sqlstate.ts';
import { ConnectionLost } from './transaction.ts';

/** If a method loses its connection this often, the method counts as the cause, and its call is no longer held. */
const maxLosses = 3;

/** How often a call is tried if other transactions are in its way. */
export const tries = 3;

/**
 * The refusal for the caller; undefined if the caller did not cause the error, so that the call has to be tried again.
 *
 * @param losses how often the call has lost its connection before, while its method ran.
 */
export function refusalOf(error: unknown, losses: number): CallRefused | undefined {
  if (error instanceof CallRefused) return error;
  if (error instanceof ConnectionLost && losses + 1 >= maxLosses) {
    const problem = `the method lost its connection to the database ${maxLosses} times: ${error.message}`;
    return new CallRefused('InternalError', problem);
  }
  if (error instanceof Rejected)
    return new CallRefused(classes[error.reason] ?? 'BadRequest', error.message, error.argument);
  const errorClass = callErrorOf(error);
  switch (errorClass) {
    case undefined:
      return undefined;
    case 'Timeout':
      return timedOut();
    case 'Busy':
      return new CallRefused(errorClass, `other transactions were in the way ${tries} times; try again`);
    default:
      return new CallRefused(
        errorClass,
        `the database refuses the call: ${messageOf(error)}`,
        columnOf(error),
      );
  }
}

/** The refusal of a call that took too long. */
export function timedOut(): CallRefused {
  return new CallRefused('Timeout', 'the call took longer than calls.timeout');
}

/** Classes of errors for a caller, for reasons that say more than "the call is wrong". */
const classes: Partial<Record<Rejected['reason'], string>> = {
  unknown_method: 'NoSuchMethod',
  bad_version: 'UnsupportedVersion',
  forbidden: 'Forbidden',
  undecryptable: 'Forbidden',
};

/** The line for the operator, if the operator has to know of the refusal. */
export function problemOf({ errorClass, message }: CallRefused): string | undefined {
  return errorClass === 'InternalError' ? message : undefined;
}

/** Milliseconds until a deadline. Throws CallRefused if it has passed. */
export function millisecondsUntil(deadline: number): number {
  const left = deadline - performance.now();
  if (left <= 0) throw timedOut();
  return left;
}
