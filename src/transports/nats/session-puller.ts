import {
  createInbox,
  type Msg,
  type NatsConnection,
  nanos,
  type Subscription,
} from '@nats-io/transport-node';
import { NotConnected } from '../../core/errors.ts';
import type { ConsumerTerms } from './losses.ts';
import type { NatsOptions } from './options.ts';
import type { Incoming } from './read.ts';
import { blockOf, readStatus } from './read-headers.ts';
import type { Connection } from './session-connection.ts';

/** The room for more messages. */
export interface Room {
  readonly messages: number;
  readonly bytes: number;
  /** Nothing is held: then a single message of any size may come. */
  readonly empty: boolean;
}

export interface PullerOptions {
  readonly connection: NatsConnection;
  /** Is failed if the consumer has gone, or refuses to be pulled from. */
  readonly line: Pick<Connection, 'subscribe' | 'write' | 'fail'>;
  readonly options: Pick<NatsOptions, 'stream' | 'consumer'>;
  readonly terms: ConsumerTerms;
  readonly room: () => Room;
  readonly receive: (message: Incoming) => void;
}

/** The longest that a pull may wait, in milliseconds: a replica that has frozen must not be sent messages for long. */
const longestExpires = 30_000;

/**
 * The part of `ack_wait` that a pull waits: the golden section. No small multiple of it comes near a whole number, so pulls do not go
 * on expiring at the very moments at which messages are due again.
 */
const expiresPart = 0.381966;

/** Of one pull at most, in bytes: a replica that dies has so much on its way to it at most, beside what it holds. */
const largestPull = 8 * 2 ** 20;

/** Ticks after which a pull is over, whatever became of it: it expires before the third, or at the third. */
const lostAfter = 5;

/** Milliseconds; without the answer, what is given back may come late, which is better than to stop late. */
const informationTimeout = 1000;

/** How a server says that the next message is larger than what was asked for. */
const sizeExceeded = /exceeds maxbytes/i;

/**
 * Asks the consumer for exactly what there is room for, with one pull after the other on one inbox, as ADR-13 of the NATS
 * architecture describes: messages come with a reply subject to acknowledge them by, and what ends a pull early comes as a status
 * without one. The library's own `fetch` does the same, but has no way to end a pull without losing sight of the messages that
 * are on their way; the inbox here is drained, so that none of them has to wait for `ack_wait`.
 *
 * ```
 *  stopped ──start──► idle ──room──► pulling ──all have come, or a status──► idle ...      stop from anywhere: draining ──► stopped
 * ```
 */
export class Puller {
  private readonly options: PullerOptions;
  private readonly request: string;
  private readonly information: string;
  private readonly expires: number;
  private inbox: Subscription | undefined;
  private drained: Promise<unknown> = Promise.resolve();
  /** Of the pull under way, still to come; 0: none is. */
  private remaining = 0;
  /** The limits of the last pull. */
  private asked = { batch: 0, bytes: 0 };
  private ticks = 0;
  private wanted = false;
  /** The next message does not fit into the limits of the last pull. */
  private tooLarge = false;

  constructor(options: PullerOptions) {
    this.options = options;
    const { stream, consumer } = options.options;
    this.request = `$JS.API.CONSUMER.MSG.NEXT.${stream}.${consumer}`;
    this.information = `$JS.API.CONSUMER.INFO.${stream}.${consumer}`;
    const { ackWait, maxExpires } = options.terms;
    this.expires = Math.min(Math.round(ackWait * expiresPart), longestExpires, maxExpires);
  }

  /** Begins to pull; after a `stop` once that is through. */
  start(): void {
    if (this.wanted) return;
    this.wanted = true;
    // Neither rejects.
    void this.drained.then(() => this.open());
  }

  /**
   * The server is told at once. Resolves once nothing comes any more, and what is given back goes to others; not at all if the
   * connection ends.
   */
  stop(): Promise<unknown> {
    this.wanted = false;
    const { inbox } = this;
    if (inbox !== undefined) {
      this.inbox = undefined;
      const ended = () => {
        this.remaining = 0;
      };
      this.drained = inbox
        .drain()
        // nats-server 2.9 keeps a pull whose inbox has gone until it has a message for it, and if that is one that was given back, it is
        // then not delivered to anybody before `ack_wait`. Asked about the consumer, it clears such pulls away.
        .then(() => this.askForInformation())
        .then(ended, ended);
    }
    return this.drained;
  }

  /** Pulls if there is room and nothing is under way. To be called whenever there may be more room. */
  pull(): void {
    if (this.inbox === undefined || this.remaining > 0) return;
    const { line, room, terms } = this.options;
    const { messages, bytes, empty } = room();
    const alone = this.tooLarge && empty;
    if (messages <= 0 || (bytes <= 0 && !alone)) return;
    const free = Math.min(Math.ceil(bytes), terms.maxBytes);
    const largest = alone || (this.tooLarge && free > largestPull);
    const batch = largest ? 1 : Math.min(messages, terms.maxBatch);
    const maxBytes = largest ? free : Math.min(free, largestPull);
    const limits = alone ? {} : { max_bytes: maxBytes };
    this.asked = { batch, bytes: maxBytes };
    this.remaining = batch;
    this.ticks = 0;
    const pull = JSON.stringify({ batch, expires: nanos(this.expires), ...limits });
    line.write(Buffer.from(`PUB ${this.request} ${this.inbox.getSubject()} ${pull.length}\r\n${pull}\r\n`));
  }

  /** To be called twice at least within the time that a pull may wait: gives up one whose end has been lost. */
  tick(): void {
    this.ticks += 1;
    if (this.inbox !== undefined && this.remaining > 0 && this.ticks >= lostAfter) {
      this.remaining = 0;
      void this.verify();
    }
    this.pull();
  }

  /** A pull has vanished: if the consumer has, the server says so only when it is asked. */
  private async verify(): Promise<void> {
    try {
      const answer = await this.askForInformation();
      const { error }: { error?: { description?: string } } = answer.json();
      if (error !== undefined) this.refused(error.description ?? 'it is not known why');
    } catch {
      // Whether the server still answers at all is for its pings to find out.
    }
  }

  private askForInformation(): Promise<Msg> {
    return this.options.connection.request(this.information, undefined, { timeout: informationTimeout });
  }

  private refused(why: string): void {
    const { stream, consumer } = this.options.options;
    const text = `cannot pull from consumer ${consumer} of stream ${stream}: ${why}`;
    this.options.line.fail(new NotConnected(text));
  }

  private open(): void {
    if (!this.wanted || this.inbox !== undefined) return;
    const inbox = this.options.line.subscribe(createInbox(), (message) =>
      this.take(message, inbox === this.inbox),
    );
    this.inbox = inbox;
    this.pull();
  }

  private take(message: Incoming, current: boolean): void {
    // The rest of an inbox that is being drained is received all the same.
    if (message.replyAt === message.replyEnd) {
      if (current) this.ended(message);
      return;
    }
    this.tooLarge = false;
    if (this.remaining > 0) this.remaining -= 1;
    this.options.receive(message);
    if (this.remaining === 0) this.pull();
  }

  /** The next message did not fit into the rest of a pull. */
  private exceeded(arrived: number): void {
    const { bytes, empty } = this.options.room();
    // The next pull has room for it, or says that it has not.
    if (arrived > 0) {
      this.pull();
      return;
    }
    const known = this.tooLarge;
    this.tooLarge = true;
    // It is settling that makes more room than there is. When all is settled, the message comes alone.
    if (empty || (!known && bytes > this.asked.bytes)) this.pull();
  }

  private ended(message: Incoming): void {
    const { code, description, pending } = readStatus(blockOf(message));
    // A sign of life, or not the server's.
    if (code === 100 || code === 0) return;
    // A leader tells the end at once, and sends a message only when a majority knows of it (nats-server 2.15, three replicas).
    const onTheWay = pending === undefined ? 0 : Math.max(0, this.remaining - pending);
    const arrived = this.asked.batch - this.remaining + onTheWay;
    // No pull begins before they have come.
    this.remaining = onTheWay;
    if (code === 404 || code === 408) {
      this.pull();
    } else if (code === 409 && sizeExceeded.test(description)) {
      this.exceeded(arrived);
    } else if (code === 409 && /batch completed/i.test(description)) {
      this.pull();
    } else if (code === 409 && /leadership|shutdown|maxwaiting/i.test(description)) {
      // The next tick tries again.
    } else {
      this.refused(code === 503 ? 'nobody answers: was it deleted?' : `${code} ${description}`);
    }
  }
}
