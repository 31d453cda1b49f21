import { ConfigError, codeOf, messageOf } from '../errors.ts';
import type { KeptSession, Transport } from './contract.ts';
import type { Sender } from './sender.ts';

/**
 * A transport whose code is loaded at its first connection. So a process loads the client libraries of the brokers only that it
 * connects to, and a command that connects to none starts quickly.
 *
 * @param kept the session that the broker keeps for the transport, if it keeps any.
 */
export function lazyTransport(name: string, load: () => Promise<Transport>, kept?: KeptSession): Transport {
  const transport = once(load);
  return {
    name,
    connect: async (deliver) => (await transport()).connect(deliver),
    async inspect() {
      const loaded = await transport();
      if (loaded.inspect === undefined) throw new TypeError(`transport ${name} cannot be inspected`);
      return loaded.inspect();
    },
    ...(kept !== undefined && {
      kept,
      async adopt(...other) {
        const loaded = await transport();
        if (loaded.adopt === undefined) throw new TypeError(`transport ${name} keeps no sessions`);
        return loaded.adopt(...other);
      },
    }),
  };
}

/** A sender whose code is loaded at its first connection. */
export function lazySender(load: () => Promise<Sender>): Sender {
  const sender = once(load);
  return { connect: async (receive) => (await sender()).connect(receive) };
}

function once<Value>(load: () => Promise<Value>): () => Promise<Value> {
  let loaded: Promise<Value> | undefined;
  return () => {
    // After a failure, for example for want of file descriptors, the next attempt loads again.
    loaded ??= load().catch((error: unknown) => {
      loaded = undefined;
      throw explained(error);
    });
    return loaded;
  };
}

/** The package of the client alone does not bring the libraries of the protocols. */
function explained(error: unknown): unknown {
  if (codeOf(error) !== 'ERR_MODULE_NOT_FOUND') return error;
  const [, missing] = /^Cannot find package '([^']+)'/.exec(messageOf(error)) ?? [];
  if (missing === undefined) return error;
  return new ConfigError(`this kind of transport needs ${missing}: run npm install ${missing}`, {
    code: 'missing-package',
    cause: error,
  });
}
