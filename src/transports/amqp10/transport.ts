import type { TransportSetup } from '../../core/config/transport-kind.ts';
import type { Transport } from '../../core/transport/contract.ts';
import { establish, lookAt } from '../../core/transport/establish.ts';
import { letGo, openConnection } from './connect.ts';
import { classify } from './connect-refusal.ts';
import { inspect } from './inspect.ts';
import type { Amqp10Options } from './options.ts';
import { beginSession } from './session-begin.ts';

/** Connects to a broker that speaks AMQP 1.0, and starts a session. */
export function createTransport(options: Amqp10Options, setup: TransportSetup): Transport {
  return {
    name: setup.name,
    connect: (deliver) =>
      establish(
        () => openConnection(options, `conductor ${setup.replica}`),
        (connection) => beginSession(connection, options, setup, deliver),
        letGo,
        classify,
      ),
    inspect: () =>
      lookAt(
        () => openConnection(options, `conductor ${setup.replica} doctor`),
        (connection) => inspect(connection, options, setup.logger),
        letGo,
        classify,
      ),
  };
}
