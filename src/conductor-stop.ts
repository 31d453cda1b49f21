/**
 * The deadlines of the steps of a stop: messages in flight are finished, connections to the brokers are closed, all is over. A part of the
 * time is kept for closing, so that the whole stop is within the deadline: a process that takes longer is killed.
 *
 * @param deadline milliseconds.
 */
export function stopDeadlines(deadline: number): Record<'finished' | 'closed' | 'over', AbortSignal> {
  const reserve = Math.min(deadline / 4, 2000);
  return {
    finished: AbortSignal.timeout(Math.floor(deadline - reserve)),
    closed: AbortSignal.timeout(Math.floor(deadline - reserve / 2)),
    over: AbortSignal.timeout(Math.floor(deadline - reserve / 4)),
  };
}
