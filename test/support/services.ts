/** What test/run.ts has started, as a test file sees it, and what to do where something is missing. */
import { appendFileSync } from 'node:fs';
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import test, { type SkipFn } from 'ava';
import { readHandover, type ServiceName, type Skipped } from './handover.ts';
import { type Mosquitto, mosquittoAt } from './mosquitto.ts';
import { type Nats, natsAt } from './nats.ts';
import { type Postgres, postgresAt } from './postgres.ts';
import { type Rabbitmq, rabbitmqAt } from './rabbitmq-api.ts';

export type { ServiceName } from './handover.ts';

/** The services of this run; shared by all test files, so use names of your own in them. */
export interface Services {
  readonly rabbitmq: Rabbitmq | undefined;
  readonly mosquitto: Mosquitto | undefined;
  readonly nats: Nats | undefined;
  readonly postgres: Postgres | undefined;
  /** Installed, not started: its path. */
  readonly pgbouncer: { readonly program: string } | undefined;
  /** The same. */
  readonly chromium: { readonly program: string } | undefined;
}

const handover = readHandover();
const { rabbitmq, mosquitto, nats, postgres, pgbouncer, chromium } = handover.services;

export const services: Services = {
  rabbitmq: rabbitmq && rabbitmqAt(rabbitmq.port, rabbitmq.managementPort),
  mosquitto: mosquitto && mosquittoAt(mosquitto.port),
  nats: nats && natsAt(nats.port, nats.monitorPort),
  postgres: postgres && postgresAt(postgres.port),
  pgbouncer,
  chromium,
};

/** A service that the test has declared with `needs`. */
export function service<Name extends ServiceName>(name: Name): NonNullable<Services[Name]> {
  const found: Services[Name] = services[name];
  if (found) return found;
  throw new Error(`${name} is not there: declare the test with needs(test, '${name}')`);
}

/** `test` or `test.serial`. */
type Declare<Context> = SkipFn<Context> & { readonly skip: SkipFn<Context> };

/**
 * Declares tests that need services: `const rabbitTest = needs(test, 'rabbitmq', 'postgres')`. Where one is missing the
 * tests are skipped, and the run says so at its end.
 */
export function needs<Context>(declare: Declare<Context>, ...names: ServiceName[]): SkipFn<Context> {
  const missing = names.filter((name) => services[name] === undefined);
  if (missing.length === 0) return declare;
  return skipping(declare, { missing });
}

/** Declares tests that are skipped unless the condition holds: `onlyIf(test, isRoot, 'it must be run by root')`. */
export function onlyIf<Context>(declare: Declare<Context>, condition: boolean, why: string): SkipFn<Context> {
  return condition ? declare : skipping(declare, { why });
}

function skipping<Context>(
  declare: Declare<Context>,
  reason: Pick<Skipped, 'missing' | 'why'>,
): SkipFn<Context> {
  const file = relative(process.cwd(), fileURLToPath(test.meta.file));
  return new Proxy(declare.skip, {
    apply(skip, self, args: unknown[]) {
      const title = typeof args[0] === 'string' ? args[0] : '(a macro)';
      const skipped: Skipped = { file, title, ...reason };
      if (handover.skippedFile) appendFileSync(handover.skippedFile, `${JSON.stringify(skipped)}\n`);
      Reflect.apply(skip, self, args);
    },
  });
}
