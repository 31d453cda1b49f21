import type { Config } from '../core/config/load.ts';
import type { ConfiguredTransport } from '../core/config/transport-kind.ts';
import { warningsOf } from '../core/config/warnings.ts';
import { ConfigError } from '../core/errors.ts';
import { Adopter } from '../core/gateway/adoption.ts';
import type { Dispatcher, Inlet } from '../core/gateway/dispatcher.ts';
import { Supervisor } from '../core/gateway/supervisor.ts';
import type { Logger } from '../core/logger.ts';
import { codecs } from '../core/message/codecs/index.ts';
import type { Share, Transport } from '../core/transport/contract.ts';
import type { Tracing } from '../tracing/tracing.ts';
import type { DurabilityWatch } from './durability.ts';

/** One transport of a replica. */
export interface ReplicaTransport {
  readonly name: string;
  readonly inlet: Inlet;
  readonly logger: Logger;
  readonly supervisor: Supervisor;
  /** Takes over the sessions of peers that are gone; undefined if the broker keeps nothing for one replica alone, or if it is off. */
  readonly adopter: Adopter | undefined;
  /** Makes the transport anew, with other credentials. */
  readonly create: (configured: ConfiguredTransport) => Transport;
}

/** An adopted session may have this part of its transport's share in flight, beside the transport's own. */
const adoptedShare = 0.1;

/** Makes the transports of a replica. None is connected yet. */
export function createTransports(
  config: Config,
  dispatcher: Dispatcher,
  durability: DurabilityWatch,
  tracing: Tracing | undefined,
  logger: Logger,
): ReadonlyArray<ReplicaTransport> {
  const share = {
    messages: Math.floor(config.maxInFlight / config.transports.length),
    bytes: Math.floor(config.maxInFlightBytes / config.transports.length),
  };
  return config.transports.map((configured) => {
    const { name } = configured;
    const child = logger.child({ transport: name });
    for (const warning of warningsOf(configured, config)) child.warn({ code: 'configuration' }, warning);
    const { codec, auth } = configured.options;
    // Nobody signs the properties, so those of a signed message do not count.
    const callsAreKnown = !codecs[codec].callsAreInTheBody && auth.mode !== 'hmac';
    const inlet = dispatcher.inlet(name, share, { callsAreKnown });
    const context = { share, replica: config.replica, logger: child, readsTrace: tracing !== undefined };
    const create = (configured: ConfiguredTransport) => {
      const transport = configured.create(context);
      return tracing === undefined ? transport : tracing.transport(transport);
    };
    const transport = create(configured);
    const supervisor = new Supervisor({
      transport,
      inlet,
      admit: (session) => durability.admitSession(name, session),
      backoff: config.reconnect,
      logger: child,
    });
    const adopter =
      config.adopt.after === 0 || transport.kept === undefined || transport.adopt === undefined
        ? undefined
        : new Adopter({
            transport: () => supervisor.transport,
            inlet: dispatcher.inlet(name, partOf(share), { counters: inlet.counters, callsAreKnown }),
            share: partOf(share),
          });
    return { name, inlet, logger: child, supervisor, adopter, create };
  });
}

function partOf({ messages, bytes }: Share): Share {
  return {
    messages: Math.max(1, Math.floor(messages * adoptedShare)),
    bytes: Math.max(1, Math.floor(bytes * adoptedShare)),
  };
}

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
