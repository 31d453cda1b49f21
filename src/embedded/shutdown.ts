/** Postgres's own steps: fast (roll back and close), immediate (recover at the next start), and SIGKILL. */
const ladder = [
  { signal: 'SIGINT', patience: 10_000 },
  { signal: 'SIGQUIT', patience: 5_000 },
  { signal: 'SIGKILL', patience: 5_000 },
] as const;

/**
 * Ends a Postgres server. `signal` sends it a signal. `goneWithin` waits at most that many milliseconds and says whether it has ended.
 * After each step's time the next step follows.
 */
export async function shutDown(
  signal: (name: NodeJS.Signals) => void,
  goneWithin: (milliseconds: number) => Promise<boolean>,
): Promise<void> {
  for (const step of ladder) {
    signal(step.signal);
    if (await goneWithin(step.patience)) return;
  }
  throw new Error('Postgres does not end, not even when killed');
}
