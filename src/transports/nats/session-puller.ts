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
import type { ConsumerState } from './session-stall.ts';

/** The room for more messages. */
export interface Room {
  readonly messages: number;
  readonly bytes: number;
  /** Whether nothing is held. Then a single message of any size may come. */
  readonly empty: boolean;
}

export interface PullerOptions {
  readonly connection: NatsConnection;
  /** `fail` is called if the consumer has gone, or refuses to be pulled from. */
  readonly line: Pick<Connection, 'subscribe' | 'write' | 'fail'>;
  readonly options: Pick<NatsOptions, 'stream' | 'consumer' | 'inboxPrefix'>;
  readonly terms: ConsumerTerms;
  readonly room: () => Room;
  readonly receive: (message: Incoming) => void;
}

/** The longest wait of a pull, in milliseconds. It bounds how long the server sends messages to a frozen replica. */
const longestExpires = 30_000;

/**
 * The wait of a pull as a part of `ack_wait`: the golden section. No small multiple of it comes near a whole number. So pulls do not
 * keep expiring at the moments at which messages are due again.
 */
const expiresPart = 0.381966;

/** The largest pull, in bytes. It bounds the bytes that are under way to a replica that dies, beside those that it holds. */
const largestPull = 8 * 2 ** 20;

/** Ticks after which a pull is over in any case. It expires before or at the third. */
const lostAfter = 5;

/** Milliseconds. Without the answer, released messages may come late, which is better than a late stop. */
const informationTimeout = 1000;

/** The server's words if the next message is larger than the pull allows. */
const sizeExceeded = /exceeds maxbytes/i;

/**
 * Asks the consumer for as many messages and bytes as there is room for, one pull after the other on one inbox (ADR-13 of the NATS
 * architecture). A message has a reply subject, by which it is acknowledged. A status without one says that a pull ended early. The
 * library's `fetch` does the same, but cannot end a pull without losing the messages that are under way. This inbox is drained, so
 * none of them has to wait for `ack_wait`.
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
  /** Messages of the current pull that have not come; 0 if there is no pull. */
  private remaining = 0;
  /** The limits of the last pull. */
  private asked = { batch: 0, bytes: 0 };
  private ticks = 0;
  private wanted = false;
  /** Whether the next message exceeds the limits of the last pull. */
  private tooLarge = false;

  constructor(options: PullerOptions) {
    this.options = options;
    const { stream, consumer } = options.options;
    this.request = `$JS.API.CONSUMER.MSG.NEXT.${stream}.${consumer}`;
    this.information = `$JS.API.CONSUMER.INFO.${stream}.${consumer}`;
    const { ackWait, maxExpires } = options.terms;
    this.expires = Math.min(Math.round(ackWait * expiresPart), longestExpires, maxExpires);
  }

  /** Begins to pull; after a `stop`, once that is complete. */
  start(): void {
    if (this.wanted) return;
    this.wanted = true;
    // Neither rejects.
    void this.drained.then(() => this.open());
  }

  /**
   * Ends pulling. Tells the server at once. Resolves once no more messages come, and released ones go to other replicas. Does not
   * resolve if the connection ends.
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
        // nats-server 2.9 keeps a pull whose inbox has gone until it has a message for it. If that is a released one, nobody gets it
        // before `ack_wait`. A question about the consumer makes the server remove such pulls.
        .then(() => this.askForInformation())
        .then(ended, ended);
    }
    return this.drained;
  }

  /** Pulls if there is room and no pull is under way. Call it whenever there may be more room. */
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

  /** Whether the server knows of a pull with room for more messages. */
  get isPulling(): boolean {
    return this.inbox !== undefined && this.remaining > 0;
  }

  /** Asks for the state of the consumer. Rejects if there is no answer. */
  async state(): Promise<ConsumerState> {
    const answer: ConsumerState = (await this.askForInformation()).json();
    return answer;
  }

  /** Gives up a pull whose end was lost. Call it at least twice within the wait of a pull. */
  tick(): void {
    this.ticks += 1;
    if (this.inbox !== undefined && this.remaining > 0 && this.ticks >= lostAfter) {
      this.remaining = 0;
      void this.verify();
    }
    this.pull();
  }

  /** A pull has vanished. If the consumer has gone, the server says so only when it is asked. */
  private async verify(): Promise<void> {
    try {
      const answer = await this.askForInformation();
      const { error }: { error?: { description?: string } } = answer.json();
      if (error !== undefined) this.refused(error.description ?? 'it is not known why');
    } catch {
      // The server's pings find out whether it still answers.
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
    const inbox = this.options.line.subscribe(createInbox(this.options.options.inboxPrefix), (message) =>
      this.take(message, inbox === this.inbox),
    );
    this.inbox = inbox;
    this.pull();
  }

  private take(message: Incoming, current: boolean): void {
    // An inbox that is being drained still receives the rest.
    if (message.replyAt === message.replyEnd) {
      if (current) this.ended(message);
      return;
    }
    this.tooLarge = false;
    if (this.remaining > 0) this.remaining -= 1;
    this.options.receive(message);
    if (this.remaining === 0) this.pull();
  }

  /** The next message exceeds the rest of a pull. */
  private exceeded(arrived: number): void {
    const { bytes, empty } = this.options.room();
    // The next pull has room for it, or gets a status.
    if (arrived > 0) {
      this.pull();
      return;
    }
    const known = this.tooLarge;
    this.tooLarge = true;
    // Only settling makes more room. Once all is settled, the message comes alone.
    if (empty || (!known && bytes > this.asked.bytes)) this.pull();
  }

  private ended(message: Incoming): void {
    const { code, description, pending } = readStatus(blockOf(message));
    // A sign of life, or not the server's status.
    if (code === 100 || code === 0) return;
    // A leader tells the end at once, but sends a message only once a majority has it (nats-server 2.15, three replicas).
    const onTheWay = pending === undefined ? 0 : Math.max(0, this.remaining - pending);
    const arrived = this.asked.batch - this.remaining + onTheWay;
    // No pull begins before those messages have come.
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
