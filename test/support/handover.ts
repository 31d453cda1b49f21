/** What test/run.ts tells the test files, through one environment variable, and they tell it, through one file. */

/** The services that tests may need. */
export type ServiceName = 'rabbitmq' | 'mosquitto' | 'nats' | 'postgres' | 'pgbouncer' | 'chromium';

/** How to reach what runs; what is absent does not run. A test that needs PgBouncer starts one of its own. */
export interface Started {
  readonly rabbitmq?: { readonly port: number; readonly managementPort: number } | undefined;
  readonly mosquitto?: { readonly port: number } | undefined;
  readonly nats?: { readonly port: number; readonly monitorPort: number } | undefined;
  readonly postgres?: { readonly port: number } | undefined;
  readonly pgbouncer?: { readonly program: string } | undefined;
  /** A test that needs a browser starts one of its own. */
  readonly chromium?: { readonly program: string } | undefined;
}

export interface Handover {
  readonly services: Started;
  /** Lines of `Skipped` as JSON are appended to it. */
  readonly skippedFile?: string;
}

/** A test that was skipped: for services that are missing, or why else. */
export interface Skipped {
  readonly file: string;
  readonly title: string;
  readonly missing?: readonly ServiceName[];
  readonly why?: string;
}

/** The name of the variable. */
export const handoverVariable = 'CONDUCTOR_TEST_SERVICES';

/** What the runner has handed over; nothing if the test file was started without it. */
export function readHandover(): Handover {
  const text = process.env[handoverVariable];
  return text === undefined ? { services: {} } : JSON.parse(text);
}
