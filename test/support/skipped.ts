/** Which services are missing, how to get them, and which tests were skipped for it. */
import { existsSync, readFileSync } from 'node:fs';
import type { ServiceName, Skipped } from './handover.ts';

const packages: Record<ServiceName, string> = {
  rabbitmq: 'rabbitmq-server',
  mosquitto: 'mosquitto',
  nats: 'nats-server',
  postgres: 'postgresql',
  pgbouncer: 'pgbouncer',
  chromium: 'chromium',
};

/** The line that installs these services, on Debian and Ubuntu. */
export function installLine(services: Iterable<ServiceName>): string {
  const names = [...new Set(services)].map((service) => packages[service]);
  return `apt-get install --no-install-recommends ${names.join(' ')}`;
}

/** What the test files have written down about their skipped tests. */
export function readSkipped(file: string): Skipped[] {
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, 'utf8').split('\n').filter(Boolean);
  return lines.map((line): Skipped => JSON.parse(line));
}

/** The last lines of a run; none if nothing was skipped. */
export function summaryOf(skipped: readonly Skipped[]): string[] {
  if (skipped.length === 0) return [];
  const byReason = Map.groupBy(skipped, reasonOf);
  const lines = [...byReason].flatMap(([reason, tests]) => [
    `  ${reason}:`,
    ...tests.map(({ file, title }) => `    ${file}: ${title}`),
  ]);
  const missing = skipped.flatMap((one) => one.missing ?? []);
  const advice = missing.length === 0 ? [] : [`To run them: ${installLine(missing)}`];
  return [`Skipped: ${skipped.length} ${skipped.length === 1 ? 'test' : 'tests'}`, ...lines, ...advice];
}

function reasonOf({ missing, why }: Skipped): string {
  return missing === undefined ? (why ?? 'for no reason given') : `not installed: ${missing.join(', ')}`;
}
