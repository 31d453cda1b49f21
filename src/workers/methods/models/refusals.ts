import { CallRefused, Rejected } from '../../../core/errors.ts';
import { RunAgain } from '../run-again.ts';

/** Refusals of a call about models. Each names the argument and the path below it. */

/** @param path below `args`, such as `filters.created`. */
export function badRequest(path: string, problem: string): CallRefused {
  return new CallRefused('BadRequest', `args.${path} ${problem}`, argumentOf(path));
}

export function notFound(path: string, problem: string): CallRefused {
  return new CallRefused('NotFound', `args.${path} ${problem}`, argumentOf(path));
}

export function conflict(path: string, problem: string): CallRefused {
  return new CallRefused('Conflict', `args.${path} ${problem}`, argumentOf(path));
}

/** It becomes a dead letter too, so that the operator learns of forbidden attempts. */
export function forbidden(path: string, problem: string): Rejected {
  return new Rejected('forbidden', `args.${path} ${problem}`, argumentOf(path));
}

/** The catalog has changed during the call. The call is tried again with the new catalog. */
export function catalogChanged(model: string): RunAgain {
  return new RunAgain('Busy', `the table of model ${model} is being changed; try again`, 'model');
}

/** Quotes a caller's text, which may have any length. */
export function shown(text: string): string {
  return JSON.stringify(text.length > 64 ? `${text.slice(0, 64)}…` : text);
}

function argumentOf(path: string): string {
  return /^[a-z_]+/.exec(path)?.[0] ?? path;
}
