import type { EventContext, Delivery as RheaDelivery, Session as RheaSession, Sender } from 'rhea';
import { NotConnected, Undeliverable } from '../../core/errors.ts';
import { SessionLife } from '../../core/transport/session-life.ts';
import type { Amqp10Connection } from './connect.ts';
import { isNotFound, LinkRefused, refusalOf, refused } from './connect-refusal.ts';

/** What the broker has made of a message: it has it, or it knows nobody who would take it. */
export type Sent = 'accepted' | 'unroutable';

/** Links that are kept open, each with an AMQP session; the least used are closed. RabbitMQ has a channel for each. */
const maxLinks = 64;

/** A sending link for each address, of which those last used are kept. */
export class SenderLinks {
  private readonly connection: Amqp10Connection;
  /** By address, the least recently used first. */
  private readonly links = new Map<string, SenderLink>();

  constructor(connection: Amqp10Connection) {
    this.connection = connection;
  }

  /**
   * Resolves once the broker has said what became of the message. Rejects with Undeliverable if it refuses the message or the
   * address for good, with NotConnected if it does for now, or if the connection ends.
   *
   * @param address undefined: the anonymous terminus; the message says where it goes.
   */
  async send(address: string | undefined, payload: Buffer): Promise<Sent> {
    try {
      return await this.linkTo(address).send(payload);
    } catch (error) {
      if (!(error instanceof LinkRefused)) throw error;
      if (isNotFound(error.refusal)) return 'unroutable';
      const { message, name } = refused(`the link to ${address ?? 'any address'}`, error.refusal);
      throw name === 'ConfigError' ? new Undeliverable(message) : new NotConnected(message);
    } finally {
      this.trim();
    }
  }

  private linkTo(address: string | undefined): SenderLink {
    const key = address ?? '';
    const known = this.links.get(key);
    const link = known?.life.open === true ? known : new SenderLink(this.connection, address);
    // To the end of the order.
    this.links.delete(key);
    this.links.set(key, link);
    return link;
  }

  /** Closes the oldest of what is too many, but none that is in use: how many those are is bounded by what is under way. */
  private trim(): void {
    for (const [key, link] of this.links) {
      if (!link.life.open) this.links.delete(key);
      if (this.links.size <= maxLinks) return;
      if (!link.idle) continue;
      this.links.delete(key);
      link.life.fail(new NotConnected('the link was closed'));
    }
  }
}

/** Messages of one link that have been sent and not settled; the library's buffer. */
const windowSize = 2048;

interface Waiting {
  readonly payload: Buffer;
  readonly resolve: (sent: Sent) => void;
  readonly reject: (error: Error) => void;
}

/**
 * A sending link in an AMQP session of its own: the client library sends the messages of a session strictly one after the other, so
 * that a link without credit would hold up all others, and RabbitMQ 3 ends the session over a link that it refuses.
 */
export class SenderLink {
  /** Ends with LinkRefused if the broker refuses the link, and with the connection. */
  readonly life: SessionLife;
  private readonly sender: Sender;
  private readonly waiting: Waiting[] = [];
  private readonly unsettled = new Map<RheaDelivery, Waiting>();

  /** @param address undefined: the anonymous terminus; the messages say where they go. */
  constructor(connection: Amqp10Connection, address: string | undefined) {
    const session: RheaSession = connection.createSession(windowSize);
    // A link that was refused leaves its session behind; closing it twice is harmless.
    const life = new SessionLife(() => session.close());
    this.life = life;
    const end = (error: unknown) => {
      const refusal = refusalOf(error);
      life.fail(
        refusal === undefined ? new NotConnected('the broker closed the link') : new LinkRefused(refusal),
      );
    };
    session.on('session_close', () => end(session.error));
    session.open();
    const target = address === undefined ? {} : { address };
    const sender = session.open_sender({ target, treat_modified_as_released: false });
    this.sender = sender;
    sender.on('sender_close', () => end(sender.error));
    sender.on('sendable', () => this.flush());
    this.onOutcome('accepted', ({ resolve }) => resolve('accepted'));
    this.onOutcome('released', ({ resolve }) => resolve('unroutable'));
    this.onOutcome('modified', ({ resolve }) => resolve('unroutable'));
    this.onOutcome('rejected', ({ resolve, reject }, { remote_state: state }) => {
      const refusal = refusalOf(state?.error);
      if (refusal?.condition === 'amqp:not-found') resolve('unroutable');
      else reject(new Undeliverable(`the broker refuses the message: ${refusal?.description ?? 'rejected'}`));
    });
    // A connection outlives many links: nothing of them is left behind there.
    connection.life.wait(life.closed).catch((error: Error) => life.fail(error));
  }

  /** Whether nothing is under way. */
  get idle(): boolean {
    return this.waiting.length + this.unsettled.size === 0;
  }

  /** Resolves once the broker has said what became of the message. Rejects with Undeliverable, NotConnected or LinkRefused. */
  send(payload: Buffer): Promise<Sent> {
    const sent = new Promise<Sent>((resolve, reject) => this.waiting.push({ payload, resolve, reject }));
    this.flush();
    return this.life.wait(sent);
  }

  /** As many as the broker takes now. What the library counts down only later is counted here. */
  private flush(): void {
    while (this.waiting.length > 0 && this.mayWrite()) {
      const next = this.waiting.shift();
      if (next === undefined) return;
      // Format 0: AMQP's own, encoded already.
      this.unsettled.set(this.sender.send(next.payload, undefined, 0), next);
    }
  }

  private mayWrite(): boolean {
    return this.life.open && this.sender.sendable() && this.unsettled.size < windowSize;
  }

  private onOutcome(outcome: string, settle: (waiting: Waiting, delivery: RheaDelivery) => void): void {
    this.sender.on(outcome, ({ delivery }: EventContext) => {
      const waiting = delivery && this.unsettled.get(delivery);
      if (waiting === undefined || delivery === undefined) return;
      this.unsettled.delete(delivery);
      settle(waiting, delivery);
    });
  }
}
