import { settledBy } from '../deadline.ts';
import type { Session } from '../transport/contract.ts';

/** How the supervisor ends sessions. */

/** Milliseconds for the end of a session that is renewed, or that nobody uses. */
export const closePatience = 1000;

/** Stops a session that is not used. Never rejects. Takes a second at most. */
export async function stopNow(session: Session): Promise<void> {
  const patience = AbortSignal.timeout(closePatience);
  await settledBy(session.stop(patience), patience);
}

/** Ends a session of a consumer that comes back. Never rejects. */
export async function suspend(session: Session, deadline: AbortSignal): Promise<void> {
  await settledBy(session.drain(deadline, true), deadline);
  await settledBy(session.stop(deadline), deadline);
}
