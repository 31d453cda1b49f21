import type { ErrorCode } from '../core/error-codes.ts';

/** What to do next after an error whose own text does not say it. For a command; the log of a replica, which tries again by itself, needs none. */
const nextSteps: Partial<Record<ErrorCode, string>> = {
  'database-unreachable': 'Start Postgres, or correct database.url.',
  'not-connected': 'Start the broker, or correct the url of the transport.',
  'config-file': 'Correct the path or the line; config/ has examples.',
};

/** The text of an error, with the next step behind it. */
export function withNextStep(text: string, code: ErrorCode | undefined): string {
  const step = code === undefined ? undefined : nextSteps[code];
  if (step === undefined) return text;
  return `${text.replace(/[.;]?\s*$/, '')}. ${step}`;
}
