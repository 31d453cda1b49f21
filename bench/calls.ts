import { migrate } from '../src/database/migrate.ts';
import { startConductorProcess } from '../test/support/conductor.ts';
import { startPostgres } from '../test/support/postgres.ts';
import { startRabbitmq } from '../test/support/rabbitmq.ts';
import { type CallOptions, callMany } from './caller.ts';
import { cpuTime } from './cpu.ts';

/** Calls over RabbitMQ. Each is one transaction, and is answered before it is settled. */
export async function benchCalls(
  { rounds, ...options }: CallOptions & { readonly rounds: number },
  tell: (line: string) => void,
): Promise<void> {
  const ends: (() => Promise<unknown>)[] = [];
  const teardown = (end: () => Promise<unknown>) => void ends.unshift(end);
  try {
    const postgres = await startPostgres({ settings: { fsync: 'on' } });
    teardown(() => postgres.stop());
    const broker = await startRabbitmq();
    teardown(() => broker.kill());
    const database = postgres.url();
    await migrate({ url: database, dryRun: false, rollback: false, removeDuplicates: false, log: () => {} });
    const conductor = await startConductorProcess(
      { teardown },
      { database, transports: { bench: { kind: 'amqp091', url: broker.url } } },
    );
    for (let round = 1; round <= rounds; round += 1) {
      const before = cpuTime(conductor.pid);
      const { answered, surplus, errors, seconds, p50, p99 } = await callMany(broker.url, options);
      const cpu = (cpuTime(conductor.pid) - before) / options.calls;
      tell(
        [
          `round ${round}: ${answered} answered, ${options.calls - answered - errors} lost, ${surplus} answered twice, ${errors} errors`,
          `  ${(options.calls / seconds).toFixed(0)} calls/s, p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms, conductor ${cpu.toFixed(0)} CPU µs/call`,
        ].join('\n'),
      );
    }
  } finally {
    for (const end of ends) await end();
  }
}
