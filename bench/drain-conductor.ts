import { stringify } from 'yaml';
import { startConductor } from '../src/conductor.ts';
import { parseConfig } from '../src/core/config/load.ts';
import { createLogger } from '../src/core/logger.ts';
import { transportKinds } from '../src/transports/index.ts';
import { readTask, report, Stopwatch } from './child.ts';

/** Drains the queue with a conductor, started as `conductor start` does it. */
const task = readTask();
const { config: transport, databaseUrl, settings } = task;
const text = stringify({
  database: { url: databaseUrl },
  transports: { bench: transport },
  log: { level: 'warn' },
  ...settings,
});
const config = parseConfig(text, 'bench', {}, transportKinds);
const stopwatch = new Stopwatch(task);
const conductor = await startConductor(config, createLogger('warn'));
const account = conductor.counters.get('bench');
const poll = setInterval(() => {
  if (account === undefined) return;
  const { applied, stale, duplicate, deferred, dead } = account.outcomes;
  stopwatch.tick(account.received, applied + stale + duplicate + deferred + dead);
}, 2);
await report(stopwatch, () => {
  clearInterval(poll);
  // With few instances one batch may overtake another. Messages that are stale then count as drained too.
  if (account === undefined || account.outcomes.deferred + account.outcomes.dead > 0)
    throw new Error(`not all were applied: ${JSON.stringify(account?.outcomes)}`);
  return conductor.stop();
});
