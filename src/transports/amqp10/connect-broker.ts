/** The broker's description of itself in its open frame. */
export interface Broker {
  /** Its name; empty if it gives none. */
  readonly product: string;
  /** RabbitMQ's version; undefined for other brokers. */
  readonly rabbitmq: { readonly major: number; readonly minor: number } | undefined;
  /** Whether one link can send to any address (capability ANONYMOUS-RELAY, "Using the AMQP Anonymous Terminus for Message Routing"). */
  readonly anonymousRelay: boolean;
}

/** Reads the properties and the offered capabilities of the broker's open frame (AMQP 1.0, section 2.7.1). */
export function brokerOf(properties: unknown, capabilities: unknown): Broker {
  const said = typeof properties === 'object' && properties !== null ? properties : {};
  const named: unknown = Reflect.get(said, 'product');
  const product = typeof named === 'string' ? named : '';
  const version = /^(\d+)\.(\d+)/.exec(String(Reflect.get(said, 'version')));
  const offered: ReadonlyArray<unknown> = Array.isArray(capabilities) ? capabilities : [capabilities];
  return {
    product,
    rabbitmq:
      product === 'RabbitMQ' && version !== null
        ? { major: Number(version[1]), minor: Number(version[2]) }
        : undefined,
    anonymousRelay: offered.includes('ANONYMOUS-RELAY'),
  };
}
