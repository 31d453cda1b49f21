import type { Receiver, Session } from 'rhea';
import { NotConnected } from '../../core/errors.ts';
import type { Amqp10Connection } from './connect.ts';
import type { Broker } from './connect-broker.ts';
import { isTerminus, refusalOf, refused } from './connect-refusal.ts';
import type { Taker } from './read.ts';

/** A receiving link. */
export interface Inlet {
  /** The link's own session, since deliveries are numbered by session. */
  readonly session: Session;
  readonly receiver: Receiver;
  /** Resolves with the address once the broker has it. Rejects with the error that ended the connection. */
  readonly attached: Promise<string>;
}

/**
 * Attaches a receiving link. It creates nothing: the broker must have the address. If the broker refuses the link or detaches it later, the
 * connection ends, with ConfigError if another attempt cannot help. No messages come before the link has credit.
 *
 * @param what the link's purpose, for an error.
 * @param buffer transfers that the broker may send before its window is opened again.
 */
export function attach(
  connection: Amqp10Connection,
  what: string,
  source: { readonly address?: string; readonly dynamic?: true; readonly capabilities?: string[] },
  buffer: number,
  taker: Taker,
): Inlet {
  const { life } = connection;
  const session = connection.createSession(buffer);
  session.open();
  const receiver = session.open_receiver({
    source,
    // Deliveries come unsettled, and the broker forgets them when we settle them (AMQP 1.0, sections 2.8.2 and 2.8.3).
    snd_settle_mode: 0,
    rcv_settle_mode: 0,
    credit_window: 0,
    autoaccept: false,
    autosettle: false,
  });
  const gone = (error: unknown) => {
    if (life.stopping) return;
    const refusal = refusalOf(error);
    life.fail(refusal === undefined ? new NotConnected(`the broker closed ${what}`) : refused(what, refusal));
  };
  session.on('session_close', () => gone(session.error));
  receiver.on('receiver_close', () => gone(receiver.error));
  const attached = new Promise<string>((resolve) => {
    receiver.on('receiver_open', () => {
      const address: unknown = receiver.source?.address;
      if (isTerminus(receiver.source)) resolve(typeof address === 'string' ? address : '');
    });
  });
  connection.receive(receiver, taker);
  return { session, receiver, attached: life.wait(attached) };
}

/**
 * The address of a queue. A name gets the broker's own form; an address stays as it is. RabbitMQ 3 takes a bare name too, but makes a queue
 * of that name that does not survive a restart. With `/amq/queue/` the queue has to exist.
 */
export function queueAddress({ rabbitmq }: Broker, name: string): string {
  if (rabbitmq === undefined || name.startsWith('/')) return name;
  return rabbitmq.major < 4 ? `/amq/queue/${name}` : `/queues/${encodeURIComponent(name)}`;
}

/**
 * The destination of a reply. RabbitMQ 3 gives the reply queue of a caller over AMQP 0-9-1 as `/queue/<name>`. It would make that queue anew
 * for each reply to a caller that has gone.
 */
export function replyAddress(broker: Broker, name: string): string {
  const made = '/queue/';
  const bare = broker.rabbitmq?.major === 3 && name.startsWith(made) ? name.slice(made.length) : name;
  return queueAddress(broker, bare);
}

/** The source of a transport's messages, and the target of its senders. */
export interface OwnAddresses {
  readonly address: string;
  readonly target: string;
}

/**
 * Whether a caller's reply address leads to the transport's own messages. Then the answer would come back as a message and become a dead
 * letter. The bindings of an exchange are unknown here, except that `target` is bound.
 */
export function isOwn(broker: Broker, name: string, { address, target }: OwnAddresses): boolean {
  const place = placeOf(broker, replyAddress(broker, name));
  if (place === placeOf(broker, queueAddress(broker, address))) return true;
  const own = placeOf(broker, queueAddress(broker, target).replace('%7Bsender%7D', '{sender}'));
  const [before = '', ...others] = own.split('{sender}');
  const behind = others.at(-1);
  if (behind === undefined) return place === own;
  // A target that consists of the sender alone says nothing about our own addresses.
  return before !== '' && before !== queuePlace && place.startsWith(before) && place.endsWith(behind);
}

const queuePlace = 'queue ';

/** One name for all forms of an address. */
function placeOf({ rabbitmq }: Broker, address: string): string {
  // Artemis accepts the kind of an address as a prefix, and a queue as a suffix.
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
