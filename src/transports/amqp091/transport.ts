import type { TransportSetup } from '../../core/config/transport-kind.ts';
import type { Transport } from '../../core/transport/contract.ts';
import { establish, lookAt } from '../../core/transport/establish.ts';
import { close, openConnection } from './connect.ts';
import { classify } from './connect-refusal.ts';
import { inspect } from './inspect.ts';
import type { Amqp091Options } from './options.ts';
import { beginSession } from './session.ts';

/** Connects to a broker that speaks AMQP 0-9-1, and starts a session. */
export function createTransport(options: Amqp091Options, setup: TransportSetup): Transport {
  const open = (suffix = '') => openConnection(options, `conductor ${setup.replica}${suffix}`);
  return {
    name: setup.name,
    connect: (deliver) =>
      establish(
        open,
        (connection) => beginSession(connection, () => open(', answers'), options, setup, deliver),
        close,
        classify,
      ),
    inspect: () =>
      lookAt(
        () => open(' doctor'),
        (connection) => inspect(connection, options, setup.logger),
        close,
        classify,
      ),
  };
}
