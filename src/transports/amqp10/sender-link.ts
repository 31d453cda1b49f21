import type { EventContext, Delivery as RheaDelivery, Session as RheaSession, Sender } from 'rhea';
import { NotConnected, Undeliverable } from '../../core/errors.ts';
import type { Amqp10Connection } from './connect.ts';
import { isTerminus, type Refusal, refusalOf } from './refusal.ts';

/** What the broker has made of a message: it has it, or it knows nobody who would take it. */
export type Sent = 'accepted' | 'unroutable';

/** The broker has refused a link. */
export class LinkRefused extends Error {
  override readonly name = 'LinkRefused';
  readonly refusal: Refusal;

  constructor(refusal: Refusal) {
    super(`${refusal.condition}: ${refusal.description}`);
    this.refusal = refusal;
  }
}

interface Waiting {
  readonly payload: Buffer;
  readonly resolve: (sent: Sent) => void;
  readonly reject: (error: Error) => void;
}

/** Messages of one link that have been sent and not settled; the library's buffer. */
const windowSize = 2048;

/**
 * A sending link in an AMQP session of its own: the client library sends the messages of a session strictly one after the other, so
 * that a link without credit would hold up all others, and RabbitMQ 3 ends the session over a link that it refuses.
 */
export class SenderLink {
  private readonly session: RheaSession;
  private readonly sender: Sender;
  private readonly waiting: Waiting[] = [];
  private readonly unsettled = new Map<RheaDelivery, Waiting>();
  private ending: Error | undefined;
  /** Resolves once nothing can be sent on it any more. */
  readonly closed: Promise<void>;
  private resolveClosed: () => void = () => {};
  private readonly opened: Promise<void>;
  /** A connection outlives many links. */
  private readonly forget: () => void;

  /** @param address undefined: the anonymous terminus; the messages say where they go. */
  private constructor(connection: Amqp10Connection, address: string | undefined) {
    this.closed = new Promise((resolve) => {
      this.resolveClosed = resolve;
    });
    this.session = connection.createSession(windowSize);
    this.session.on('session_close', () => this.end(refusalOf(this.session.error)));
    this.session.open();
    const target = address === undefined ? {} : { address };
    this.sender = this.session.open_sender({ target, treat_modified_as_released: false });
    const { sender } = this;
    this.opened = new Promise((resolve, reject) => {
      sender.on('sender_open', () => {
        if (isTerminus(sender.target)) resolve();
      });
      void this.closed.then(() => reject(this.ending));
    });
    sender.on('sender_close', () => this.end(refusalOf(sender.error)));
    sender.on('sendable', () => this.flush());
    const settles = (outcome: string, settle: (waiting: Waiting, delivery: RheaDelivery) => void) =>
      sender.on(outcome, ({ delivery }: EventContext) => {
        const waiting = delivery && this.unsettled.get(delivery);
        if (waiting === undefined || delivery === undefined) return;
        this.unsettled.delete(delivery);
        settle(waiting, delivery);
      });
    settles('accepted', ({ resolve }) => resolve('accepted'));
    settles('released', ({ resolve }) => resolve('unroutable'));
    settles('modified', ({ resolve }) => resolve('unroutable'));
    settles('rejected', ({ resolve, reject }, { remote_state: state }) => {
      const refusal = refusalOf(state?.error);
      if (refusal?.condition === 'amqp:not-found') resolve('unroutable');
      else reject(new Undeliverable(`the broker refuses the message: ${refusal?.description ?? 'rejected'}`));
    });
    this.forget = connection.onEnd((error) =>
      this.fail(error ?? new NotConnected('the connection was closed')),
    );
  }

  /** Rejects with LinkRefused, or with NotConnected if the connection ends. */
  static async open(connection: Amqp10Connection, address: string | undefined): Promise<SenderLink> {
    const link = new SenderLink(connection, address);
    await link.opened;
    return link;
  }

  /** Whether nothing is under way. */
  get idle(): boolean {
    return this.waiting.length + this.unsettled.size === 0;
  }

  /** Resolves once the broker has said what became of the message. Rejects with Undeliverable, NotConnected or LinkRefused. */
  send(payload: Buffer): Promise<Sent> {
    return new Promise((resolve, reject) => {
      if (this.ending !== undefined) {
        reject(this.ending);
        return;
      }
      this.waiting.push({ payload, resolve, reject });
      this.flush();
    });
  }

  close(): void {
    this.session.close();
    this.fail(new NotConnected('the link was closed'));
  }

  /** As many as the broker takes now. What the library counts down only later is counted here. */
  private flush(): void {
    while (this.waiting.length > 0 && this.sender.sendable() && this.unsettled.size < windowSize) {
      const next = this.waiting.shift();
      if (next === undefined) return;
      // Format 0: AMQP's own, encoded already.
      this.unsettled.set(this.sender.send(next.payload, undefined, 0), next);
    }
  }

  private end(refusal: Refusal | undefined): void {
    this.fail(
      refusal === undefined ? new NotConnected('the broker closed the link') : new LinkRefused(refusal),
    );
  }

  private fail(error: Error): void {
    if (this.ending !== undefined) return;
    this.ending = error;
    this.forget();
    this.resolveClosed();
    for (const { reject } of this.unsettled.values()) reject(error);
    for (const { reject } of this.waiting) reject(error);
    this.unsettled.clear();
    this.waiting.length = 0;
    // A link that was refused leaves its session behind; closing it twice is harmless.
    this.session.close();
  }
}
