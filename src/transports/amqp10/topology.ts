import type { Receiver, Session } from 'rhea';
import { NotConnected } from '../../core/errors.ts';
import type { Amqp10Connection } from './connect.ts';
import type { Broker } from './connect-broker.ts';
import { isTerminus, refusalOf, refused } from './connect-refusal.ts';
import type { Taker } from './read.ts';

/** A link that messages come on. */
export interface Inlet {
  /** Its own: deliveries are numbered by session. */
  readonly session: Session;
  readonly receiver: Receiver;
  /** Resolves with the address, once the broker has it. Rejects with what ended the connection. */
  readonly attached: Promise<string>;
}

/**
 * Attaches us to what messages come from: nothing is made, the broker has to have it. The connection ends if the broker refuses, with
 * ConfigError if trying again cannot help, and if it takes the link away later. Nothing comes before the link is given credit.
 *
 * @param what the link is, in an error.
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
    // Unsettled, and forgotten by the broker with our settling it (AMQP 1.0, sections 2.8.2 and 2.8.3).
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
