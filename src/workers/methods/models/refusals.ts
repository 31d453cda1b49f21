import { CallRefused, Rejected } from '../../../core/errors.ts';
import { RunAgain } from '../run-again.ts';

/** What a call about models may be refused with. Each names the argument, and where below it the fault is. */

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

/** Kept as a dead letter as well, so that the operator learns who tries what they may not. */
export function forbidden(path: string, problem: string): Rejected {
  return new Rejected('forbidden', `args.${path} ${problem}`, argumentOf(path));
}

/** The catalog has changed under the call: it is tried again, with the catalog as it is now. */
export function catalogChanged(model: string): RunAgain {
  return new RunAgain('Busy', `the table of model ${model} is being changed; try again`, 'model');
}

/** Quotes what a caller has sent, which may be as long as they like. */
export function shown(text: string): string {
  return JSON.stringify(text.length > 64 ? `${text.slice(0, 64)}…` : text);
}

function argumentOf(path: string): string {
  return /^[a-z_]+/.exec(path)?.[0] ?? path;
}
