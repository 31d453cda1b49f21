import pg from 'pg';
import type { HoldCause } from '../../core/hold-causes.ts';
import { isMistake } from './blame.ts';
import { TransactionFailed } from './transact.ts';

/** The rest of one method's messages is to be held. Other methods go on. */
export class MethodHeld extends Error {
  override readonly name = 'MethodHeld';
  readonly holdCause: HoldCause;

  constructor(holdCause: HoldCause, message: string, options?: ErrorOptions) {
    super(message, options);
    this.holdCause = holdCause;
  }
}

/** The causes behind SQLSTATEs, and behind classes of them (PostgreSQL manual, appendix A). */
const causes: Readonly<Record<string, HoldCause>> = {
  '08': 'database-unreachable',
  '25006': 'database-read-only',
  '28': 'database-sign-in',
  '53': 'database-overloaded',
  '53100': 'database-full',
  '55P03': 'locked',
  '57P': 'database-unreachable',
};

/** Why an error holds messages. */
export function holdCauseOf(error: unknown): HoldCause {
  if (error instanceof MethodHeld) return error.holdCause;
  if (error instanceof TransactionFailed) return holdCauseOf(error.error);
  if (!(error instanceof pg.DatabaseError))
    return isMistake(error, false) ? 'worker-failed' : 'database-unreachable';
  const { code = '' } = error;
  return causes[code] ?? causes[code.slice(0, 3)] ?? causes[code.slice(0, 2)] ?? 'database-refuses';
}
