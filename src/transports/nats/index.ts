import { defineKind, type TransportSetup } from '../../core/config/transport-kind.ts';
import type { Deliver, Session } from '../../core/transport/contract.ts';
import { establish, lookAt } from '../../core/transport/establish.ts';
import { classify, openConnection } from './connect.ts';
import { inspect } from './inspect.ts';
import { checkSender, type NatsOptions, natsSchema } from './options.ts';
import type { Wire } from './read-library.ts';
import { connectSender } from './sender.ts';
import { NatsSession } from './session.ts';
import { CoreSession } from './session-core.ts';
import { ensureTopology, warnOfCoreNats } from './topology.ts';

/** NATS with or without JetStream. */
export const nats = defineKind(
  natsSchema,
  (options, setup) => ({
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
  }),
  (options, setup) => ({ connect: (receive) => connectSender(options, setup.clientName, receive) }),
  checkSender,
);

async function consume(
  wire: Wire,
  options: NatsOptions,
  { share, logger }: TransportSetup,
  deliver: Deliver,
): Promise<Session> {
  if (options.jetstream) {
    const { terms, durability } = await ensureTopology(wire.connection, options, share.messages, logger);
    return new NatsSession(wire, options, { ...terms, durability }, share, deliver);
  }
  warnOfCoreNats(logger);
  const session = new CoreSession(wire, options, deliver, logger);
  await session.subscribed();
  return session;
}
