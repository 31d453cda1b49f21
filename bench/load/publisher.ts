/** A connection that sends a load's messages, durable and confirmed. */
export interface Publisher {
  /** Whether it takes a message now. Otherwise too many are unconfirmed, and the message has to wait. */
  readonly hasRoom: boolean;
  /** @param sender the last part of the address. */
  send(body: Buffer, sender: string): void;
  readonly confirmations: Pick<Confirmations, 'confirmed' | 'refused'>;
  close(): Promise<void>;
}

/** Where the messages go: the data that a publisher of a kind needs. */
export interface Destination {
  readonly url: string;
  /** AMQP 0-9-1: the exchange. AMQP 1.0: the address. NATS: the subject, and MQTT: the topic, without the last part. */
  readonly name: string;
  /** AMQP 0-9-1: whether the routing key is the name alone, as Trove's is. */
  readonly isPlain: boolean;
  /** MQTT: version 3.1.1. */
  readonly isOld?: boolean;
}

/** Unconfirmed messages at most. */
const window = 5000;

/** Counts the messages that the broker has confirmed or refused. */
export class Confirmations {
  private readonly most: number;
  private sent = 0;
  /** Messages that the broker has. */
  confirmed = 0;
  /** Messages that the broker refused. */
  refused = 0;

  /** @param most unconfirmed messages. */
  constructor(most = window) {
    this.most = most;
  }

  get hasRoom(): boolean {
    return this.sent - this.confirmed - this.refused < this.most;
  }

  /** Counts a message that is sent. */
  send(): void {
    this.sent += 1;
  }

  /** Takes the broker's answer to a message: an error, or nothing. */
  readonly answered = (error: unknown): void => {
    if (error) this.refused += 1;
    else this.confirmed += 1;
  };
}
