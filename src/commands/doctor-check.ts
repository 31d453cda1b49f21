import { within } from '../core/deadline.ts';
import type { ErrorCode } from '../core/error-codes.ts';
import { errorCodeOf, messageOf } from '../core/errors.ts';
import { withNextStep } from './next-step.ts';

/** The result of one look. `warning`: it works, and something may go wrong. `wrong`: a replica does not work, or loses messages. */
export interface Finding {
  readonly level: 'ok' | 'warning' | 'wrong';
  /** Says what is there, or what is wrong and what to do. */
  readonly text: string;
  readonly code?: ErrorCode;
}

/** A finding, and where it comes from. */
export interface Found extends Finding {
  /** The object of the check, as a key of the configuration, such as `transports.edge`. */
  readonly subject: string;
  readonly check: string;
}

/** One look at a thing that is open. Rejecting counts as a finding: what is wrong. */
export interface Check<Context> {
  readonly name: string;
  readonly run: (context: Context) => Promise<ReadonlyArray<Finding>>;
}

/** The checks of one thing. If it cannot be opened, they are left out: the reason is one finding. */
export interface Topic<Context> {
  readonly subject: string;
  /** The name of the look that opening it is. */
  readonly opening: string;
  readonly open: () => Promise<{ readonly context: Context; readonly finding: Finding }>;
  readonly checks: ReadonlyArray<Check<Context>>;
  /** Never rejects. */
  readonly close: (context: Context) => Promise<void>;
}

/** Milliseconds that one look may take. */
const patience = 20_000;

export const ok = (text: string): Finding => ({ level: 'ok', text });
export const warning = (code: ErrorCode, text: string): Finding => ({ level: 'warning', code, text });
export const wrong = (code: ErrorCode, text: string): Finding => ({ level: 'wrong', code, text });

/** Looks at one thing after the other. Never rejects. */
export async function examine<Context>(topic: Topic<Context>): Promise<Found[]> {
  const { subject, opening, open, checks, close } = topic;
  const found: Found[] = [];
  const note = (check: string, findings: ReadonlyArray<Finding>) => {
    for (const finding of findings) found.push({ subject, check, ...finding });
  };
  let context: Context;
  try {
    const opened = await within(open(), patience);
    context = opened.context;
    note(opening, [opened.finding]);
  } catch (error) {
    const code = errorCodeOf(error);
    note(opening, [wrong(code, withNextStep(messageOf(error), code))]);
    return found;
  }
  for (const { name, run } of checks) {
    try {
      note(name, await within(run(context), patience));
    } catch (error) {
      note(name, [wrong(errorCodeOf(error), messageOf(error))]);
    }
  }
  await close(context);
  return found;
}
