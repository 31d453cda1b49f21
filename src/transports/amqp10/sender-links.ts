import type { EventContext, Delivery as RheaDelivery, Session as RheaSession, Sender } from 'rhea';
import { NotConnected, Undeliverable } from '../../core/errors.ts';
import { SessionLife } from '../../core/transport/session-life.ts';
import type { Amqp10Connection } from './connect.ts';
import { isNotFound, LinkRefused, refusalOf, refused } from './connect-refusal.ts';

/** The broker's answer to a message: it has the message, or nobody receives at the address. */
export type Sent = 'accepted' | 'unroutable';

/** The most open links; the least used are closed. Each has an AMQP session, and RabbitMQ has a channel for each. */
const maxLinks = 64;

/** A sending link for each address. The last used ones are kept. */
export class SenderLinks {
  private readonly connection: Amqp10Connection;
  /** By address, the least recently used first. */
  private readonly links = new Map<string, SenderLink>();

  constructor(connection: Amqp10Connection) {
    this.connection = connection;
  }

  /**
   * Resolves with the broker's answer to the message. Rejects with Undeliverable if the broker refuses the message or the address for good,
   * with NotConnected if it refuses for now or the connection ends.
   *
   * @param address undefined: the anonymous terminus. The message then has its destination.
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
    // Moves it to the end of the order.
    this.links.delete(key);
    this.links.set(key, link);
    return link;
  }

  /** Closes the oldest surplus links that are not in use. The messages under way bound the number of used ones. */
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

/** Unsettled messages of one link, at most: the library's buffer. */
const windowSize = 2048;

interface Waiting {
  readonly payload: Buffer;
  readonly resolve: (sent: Sent) => void;
  readonly reject: (error: Error) => void;
}

/**
 * A sending link in an AMQP session of its own. The client library sends the messages of a session strictly in order, so a link without
 * credit would hold up all others. And RabbitMQ 3 ends the session if it refuses a link.
 */
export class SenderLink {
  /** Ends with LinkRefused if the broker refuses the link; also ends with the connection. */
  readonly life: SessionLife;
  private readonly sender: Sender;
  private readonly waiting: Waiting[] = [];
  private readonly unsettled = new Map<RheaDelivery, Waiting>();

  /** @param address undefined: the anonymous terminus. The messages then have their destinations. */
  constructor(connection: Amqp10Connection, address: string | undefined) {
    const session: RheaSession = connection.createSession(windowSize);
    // A refused link leaves its session open. A second close does nothing.
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
    // A connection outlives many links, so the link removes its listener.
    connection.life.wait(life.closed).catch((error: Error) => life.fail(error));
  }

  /** Whether no message is under way. */
  get idle(): boolean {
    return this.waiting.length + this.unsettled.size === 0;
  }

  /** Resolves with the broker's answer to the message. Rejects with Undeliverable, NotConnected or LinkRefused. */
  send(payload: Buffer): Promise<Sent> {
    const sent = new Promise<Sent>((resolve, reject) => this.waiting.push({ payload, resolve, reject }));
    this.flush();
    return this.life.wait(sent);
  }

  /** Sends as many as the broker accepts now. The library decreases its own count later, so this counts itself. */
  private flush(): void {
    while (this.waiting.length > 0 && this.mayWrite()) {
      const next = this.waiting.shift();
      if (next === undefined) return;
      // Format 0: AMQP's own. The message is encoded already.
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
