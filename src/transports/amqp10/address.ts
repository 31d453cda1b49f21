/** What the broker has said of itself in its open frame. */
export interface Broker {
  /** RabbitMQ's version; undefined for every other broker. */
  readonly rabbitmq: { readonly major: number; readonly minor: number } | undefined;
  /** Whether one link can send to any address (capability ANONYMOUS-RELAY, "Using the AMQP Anonymous Terminus for Message Routing"). */
  readonly anonymousRelay: boolean;
}

/** Reads the properties and the offered capabilities of the broker's open frame (AMQP 1.0, section 2.7.1). */
export function brokerOf(properties: unknown, capabilities: unknown): Broker {
  const said = typeof properties === 'object' && properties !== null ? properties : {};
  const product: unknown = Reflect.get(said, 'product');
  const version = /^(\d+)\.(\d+)/.exec(String(Reflect.get(said, 'version')));
  const offered: ReadonlyArray<unknown> = Array.isArray(capabilities) ? capabilities : [capabilities];
  return {
    rabbitmq:
      product === 'RabbitMQ' && version !== null
        ? { major: Number(version[1]), minor: Number(version[2]) }
        : undefined,
    anonymousRelay: offered.includes('ANONYMOUS-RELAY'),
  };
}

/**
 * The address of a queue: a name in the broker's own form, an address as it is. RabbitMQ 3 takes a bare name too, but makes a
 * queue of that name, which no restart survives; behind `/amq/queue/` the queue has to be there.
 */
export function queueAddress({ rabbitmq }: Broker, name: string): string {
  if (rabbitmq === undefined || name.startsWith('/')) return name;
  return rabbitmq.major < 4 ? `/amq/queue/${name}` : `/queues/${encodeURIComponent(name)}`;
}

/**
 * Where a reply goes. RabbitMQ 3 gives the reply queue of a caller over AMQP 0-9-1 as `/queue/<name>`, and would make that queue
 * anew for each reply to a caller that has gone.
 */
export function replyAddress(broker: Broker, name: string): string {
  const made = '/queue/';
  const bare = broker.rabbitmq?.major === 3 && name.startsWith(made) ? name.slice(made.length) : name;
  return queueAddress(broker, bare);
}

/** Where a transport's messages come from, and where their senders send them to. */
export interface OwnAddresses {
  readonly address: string;
  readonly target: string;
}

/**
 * Whether a name that a caller gives for its answer leads to the transport's own messages: the answer would come back as one, and
 * become a dead letter. What is bound to an exchange is not known here, except that `target` is.
 */
export function isOwn(broker: Broker, name: string, { address, target }: OwnAddresses): boolean {
  const place = placeOf(broker, replyAddress(broker, name));
  if (place === placeOf(broker, queueAddress(broker, address))) return true;
  const own = placeOf(broker, queueAddress(broker, target).replace('%7Bsender%7D', '{sender}'));
  const [before = '', ...others] = own.split('{sender}');
  const behind = others.at(-1);
  if (behind === undefined) return place === own;
  // A target that is nothing but its sender says nothing of what is ours.
  return before !== '' && before !== queuePlace && place.startsWith(before) && place.endsWith(behind);
}

const queuePlace = 'queue ';

/** One name for all forms of an address. */
function placeOf({ rabbitmq }: Broker, address: string): string {
  // Artemis takes the kind of an address in front of it, and a queue behind it.
  if (rabbitmq === undefined) return address.replace(/^[a-z]+:\/\//, '').replace(/::.*$/s, '');
  const queue = /^\/(?:amq\/queue|queues?|exchanges?\/(?:amq\.default)?)\/(.*)$/s.exec(address)?.[1];
  return queue === undefined ? unescaped(address) : queuePlace + unescaped(queue);
}

function unescaped(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (error) {
    if (error instanceof URIError) return text;
    throw error;
  }
}
