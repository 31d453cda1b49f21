import { NotConnected, Undeliverable } from '../../core/errors.ts';
import type { Amqp10Connection } from './connect.ts';
import { isNotFound, refused } from './refusal.ts';
import { LinkRefused, SenderLink, type Sent } from './sender-link.ts';

/** Links that are kept open, each with an AMQP session; the least used are closed. RabbitMQ has a channel for each. */
const maxLinks = 64;

/** A sending link for each address, of which those last used are kept. */
export class SenderLinks {
  private readonly connection: Amqp10Connection;
  /** By address, the least recently used first. */
  private readonly links = new Map<string, Promise<SenderLink>>();

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
      const link = await this.linkTo(address);
      return await link.send(payload);
    } catch (error) {
      if (!(error instanceof LinkRefused)) throw error;
      if (isNotFound(error.refusal)) return 'unroutable';
      const { message, name } = refused(`the link to ${address ?? 'any address'}`, error.refusal);
      throw name === 'ConfigError' ? new Undeliverable(message) : new NotConnected(message);
    } finally {
      await this.trim();
    }
  }

  private linkTo(address: string | undefined): Promise<SenderLink> {
    const key = address ?? '';
    const link = this.links.get(key) ?? this.open(key, address);
    // To the end of the order.
    this.links.delete(key);
    this.links.set(key, link);
    return link;
  }

  private open(key: string, address: string | undefined): Promise<SenderLink> {
    const opening = SenderLink.open(this.connection, address);
    const forget = () => {
      if (this.links.get(key) === opening) this.links.delete(key);
    };
    opening.then((link) => link.closed).then(forget, forget);
    return opening;
  }

  /** Closes the oldest of what is too many, but none that is in use: how many those are is bounded by what is under way. */
  private async trim(): Promise<void> {
    for (const [key, opening] of this.links) {
      if (this.links.size <= maxLinks) return;
      const link = await opening.catch(() => undefined);
      if (link?.idle !== true || this.links.get(key) !== opening) continue;
      this.links.delete(key);
      link.close();
    }
  }
}
