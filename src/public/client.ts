/** `conductor-gateway/client`: guests and services import it to cast and to call over any transport. */
import { pino } from 'pino';
import { findActiveTrace } from '../client/active-trace.ts';
import { Client } from '../client/client.ts';
import type { ClientOptions } from '../client/options.ts';
import { configureTransports } from '../core/config/transports.ts';
import { ConfigError } from '../core/errors.ts';
import type { Logger } from '../core/logger.ts';
import { transportKinds } from '../transports/index.ts';

export type { CastResult } from '../client/casts.ts';
export type { Client } from '../client/client.ts';
export { BufferFull, CallTimeout, RemoteError } from '../client/errors.ts';
export type { HeartbeatOptions, Heartbeats } from '../client/heartbeats.ts';
export type { LinkState, LinkStatus } from '../client/link.ts';
export type * from '../client/methods.ts';
export { ConfigError, NotConnected, Rejected, Undeliverable } from '../core/errors.ts';

export interface ConnectOptions extends ClientOptions {
  /** An entry as under `transports` in the conductor's configuration: `kind`, `url` and the other options of the kind. */
  readonly transport: { readonly kind: string; readonly [key: string]: unknown };
  /** Gets the log lines about lost connections. No log by default. */
  readonly logger?: Logger | undefined;
}

/**
 * A client. It is connected if the broker is there. Otherwise it goes on trying, and casts wait meanwhile. Rejects with ConfigError, whose
 * message names the key, if another attempt cannot help.
 */
export async function connect({ transport, logger, ...options }: ConnectOptions): Promise<Client> {
  const activeTrace = await findActiveTrace();
  const client = new Client(configure(transport), options, logger ?? pino({ level: 'silent' }), activeTrace);
  await client.start();
  return client;
}

/** There is one transport and no file, so an error names the keys as they are in the options. */
function configure(transport: ConnectOptions['transport']) {
  try {
    const [configured] = configureTransports({ client: transport }, transportKinds);
    if (configured !== undefined) return configured;
    throw new ConfigError('transport: is required');
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    throw new ConfigError(error.message.replace('transports.client', 'transport'), {
      cause: error,
      code: error.code,
    });
  }
}

export type { CallOptions, CastOptions, ClientOptions, CloseOptions } from '../client/options.ts';
