import type { TransportSetup } from '../../core/config/transport-kind.ts';
import type { Deliver, Session, Transport } from '../../core/transport/contract.ts';
import { establish, lookAt } from '../../core/transport/establish.ts';
import { classify, openConnection } from './connect.ts';
import { inspect } from './inspect.ts';
import type { NatsOptions } from './options.ts';
import type { Wire } from './read-library.ts';
import { NatsSession } from './session.ts';
import { CoreSession } from './session-core.ts';
import { ensureTopology, warnOfCoreNats } from './topology.ts';

/** Connects to a NATS server, and starts a session. */
export function createTransport(options: NatsOptions, setup: TransportSetup): Transport {
  return {
    name: setup.name,
    connect: (deliver) =>
      establish(
        () => openConnection(options, `conductor ${setup.replica}`),
        (wire) => consume(wire, options, setup, deliver),
        (wire) => wire.connection.close(),
        classify,
      ),
    inspect: () =>
      lookAt(
        () => openConnection(options, `conductor ${setup.replica} doctor`),
        ({ connection }) => inspect(connection, options, setup),
        ({ connection }) => connection.close(),
        classify,
      ),
  };
}

async function consume(
  wire: Wire,
  options: NatsOptions,
  setup: TransportSetup,
  deliver: Deliver,
): Promise<Session> {
  const { share, logger } = setup;
  if (options.jetstream) {
    const { terms, durability } = await ensureTopology(wire.connection, options, share.messages, logger);
    return new NatsSession(wire, options, { ...terms, durability }, setup, deliver);
  }
  warnOfCoreNats(logger);
  const session = new CoreSession(wire, options, setup, deliver);
  await session.subscribed();
  return session;
}
