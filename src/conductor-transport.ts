import { ConfigError } from './core/errors.ts';
import type { Supervisor } from './core/gateway/supervisor.ts';

/** Makes the first attempt to connect. Rejects with ConfigError, whose message begins with the transport's key. */
export async function startTransport(name: string, supervisor: Supervisor): Promise<void> {
  try {
    await supervisor.start();
  } catch (error) {
    throw error instanceof ConfigError
      ? new ConfigError(`transports.${name}: ${error.message}`, { cause: error, code: error.code })
      : error;
  }
}
