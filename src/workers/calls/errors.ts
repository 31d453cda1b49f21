import { CallRefused, messageOf, Rejected } from '../../core/errors.ts';
import { callErrorOf, columnOf } from '../postgres/sqlstate.ts';
import { ConnectionLost } from './transaction.ts';

/** How often a method may lose its connection: then it is taken to be the reason, and held no more. */
const maxLosses = 3;

/** How often a call is tried while other transactions are in its way. */
export const tries = 3;

/**
 * What the caller is told; undefined if it is nothing of theirs, and the call has to be tried again.
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
      return new CallRefused(errorClass, `the database refuses it: ${messageOf(error)}`, columnOf(error));
  }
}

/** What the caller of a call is told that took too long. */
export function timedOut(): CallRefused {
  return new CallRefused('Timeout', 'the call took longer than it may (calls.timeout)');
}

/** Classes of errors as a caller sees them, where they say more than that the call is wrong. */
const classes: Partial<Record<Rejected['reason'], string>> = {
  unknown_method: 'NoSuchMethod',
  bad_version: 'UnsupportedVersion',
  forbidden: 'Forbidden',
  undecryptable: 'Forbidden',
};

/** What the operator has to know of it, if anything. */
export function problemOf({ errorClass, message }: CallRefused): string | undefined {
  return errorClass === 'InternalError' ? message : undefined;
}
