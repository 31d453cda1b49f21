import { errors, type Subscription } from '@nats-io/transport-node';
import { afterDeadline } from '../../core/deadline.ts';
import { messageOf, NotConnected, Undeliverable } from '../../core/errors.ts';
import type { Publication } from '../../core/transport/contract.ts';
import { SessionLife } from '../../core/transport/session-life.ts';
import { permissionViolation, watch } from './connect.ts';
import { mayAnswerTo, Publisher, publicationHeaders } from './publish.ts';
import { TopicPublisher } from './publish-topic.ts';
import type { Take } from './read.ts';
import type { Wire } from './read-library.ts';

/** Milliseconds after the deadline of a stop in which the last answers may still reach the broker. */
const lastWords = 500;

/** The part that both kinds of session share: a connection that ends once, and its publisher. */
export class Connection {
  readonly life: SessionLife;
  readonly publisher: Publisher;
  private readonly wire: Wire;
  private readonly own: ReadonlyArray<string>;

  /** For a server with JetStream. */
  private readonly topics: TopicPublisher | undefined;

  /**
   * @param own the consumed subjects. No answer may go there.
   * @param hasStreams whether a stream may keep a notification.
   */
  constructor(wire: Wire, own: ReadonlyArray<string>, hasStreams = false) {
    const { connection } = wire;
    this.wire = wire;
    this.own = own;
    // The library's closing does not reject.
    this.life = new SessionLife(() => void connection.close());
    this.publisher = new Publisher(connection, this.life);
    this.topics = hasStreams ? new TopicPublisher(this.publisher) : undefined;
    void connection.closed().then((error) => this.life.end(lost(error)));
    // The loop ends with the connection.
    watch(connection, {
      error: (error) => this.complaint(error),
      stale: () => this.fail(new NotConnected('the broker does not answer')),
    }).catch((error: unknown) => this.fail(new NotConnected(messageOf(error), { cause: error })));
  }

  async publish(publication: Publication): Promise<void> {
    const { to, body } = publication;
    if (to.kind === 'reply' && !mayAnswerTo(to.name, this.own))
      throw new Undeliverable(`no answer may go to ${to.name.slice(0, 64)}`);
    const headers = publicationHeaders(publication);
    if (to.kind === 'topic' && this.topics !== undefined) return this.topics.publish(to.name, body, headers);
    await this.publisher.publish(to.name, body, headers === undefined ? {} : { headers });
  }

  /** Fails the session if the server does not allow it. Returns undefined if the connection has ended. */
  subscribe(
    subject: string,
    take: Take,
    options: { readonly queue?: string } = {},
  ): Subscription | undefined {
    return this.wire.subscribe(subject, take, (error) => this.fail(error), options);
  }

  /** Writes whole operations as they are. Does nothing once the connection has ended. */
  write(bytes: Uint8Array): void {
    this.wire.write(bytes);
  }

  /** Resolves once the broker knows all subscriptions. Rejects if the connection ends first: the flush of the library never settles then. */
  subscribed(): Promise<void> {
    return this.life.wait(this.wire.connection.flush());
  }

  /** Ends the session with an error. */
  fail(error: Error): void {
    this.life.fail(error);
  }

  /** Resolves once the broker has all that was written. Rejects if the connection ends before. */
  flush(): Promise<void> {
    return this.wire.connection.flush();
  }

  /**
   * Ends the connection after `before`, and at the latest half a second after the deadline: closing the connection drops the bytes that
   * were not written.
   *
   * @param before has to end soon after the deadline.
   */
  async stop(deadline: AbortSignal, before: () => Promise<unknown>): Promise<void> {
    const late = afterDeadline(deadline, lastWords);
    await this.life.stop(late.signal, async () => {
      await before();
      await this.wire.connection.close();
    });
    late.cancel();
  }

  private complaint(error: Error): void {
    if (this.publisher.refused(error)) return;
    // Without the right to acknowledge or to pull, the session would hold messages in vain. The server closes after other errors.
    if (permissionViolation(error) !== undefined)
      this.fail(new NotConnected(error.message, { cause: error }));
  }
}

function lost(error: unknown): NotConnected {
  if (error === undefined || error === null) return new NotConnected('the connection was closed');
  const refused = error instanceof errors.AuthorizationError;
  return new NotConnected(refused ? `the broker has ended it: ${error.message}` : messageOf(error), {
    cause: error,
  });
}
