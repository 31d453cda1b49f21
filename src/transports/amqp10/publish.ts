import { Undeliverable } from '../../core/errors.ts';
import type { Publication } from '../../core/transport/contract.ts';
import { isWritableName } from '../../core/transport/names.ts';
import { isOwn, type OwnAddresses, queueAddress, replyAddress } from './address.ts';
import type { Amqp10Connection } from './connect.ts';
import { encodeMessage } from './encode.ts';
import { SenderLinks } from './sender-links.ts';

/**
 * Publishes answers and notifications: on one link for all addresses where the broker has an anonymous terminus, else on a link for
 * each address.
 */
export class Publisher {
  private readonly connection: Amqp10Connection;
  private readonly own: OwnAddresses;
  private readonly links: SenderLinks;

  /** @param own where no answer may go. */
  constructor(connection: Amqp10Connection, own: OwnAddresses) {
    this.connection = connection;
    this.own = own;
    this.links = new SenderLinks(connection);
  }

  /** As Session.publish of the contracts says. */
  async publish({ to, body, correlationId }: Publication): Promise<void> {
    // RabbitMQ 3.10 answers nothing more on a connection where an address has what is no character.
    if (!isWritableName(to.name)) throw new Undeliverable(`no answer may go to ${to.name.slice(0, 64)}`);
    const { broker } = this.connection;
    if (to.kind === 'reply' && isOwn(broker, to.name, this.own))
      throw new Undeliverable(`no answer may go to ${to.name}: it would come back as a message of our own`);
    const address = to.kind === 'reply' ? replyAddress(broker, to.name) : queueAddress(broker, to.name);
    const payload = encodeMessage({ to: address, body, correlationId });
    const sent = await this.links.send(broker.anonymousRelay ? undefined : address, payload);
    // A caller that has gone is no failure of ours; that nobody hears a notification is for its publisher to know.
    if (sent === 'unroutable' && to.kind === 'topic') throw new Undeliverable(`nobody is at ${address}`);
  }
}
