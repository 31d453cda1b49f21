import { errors, type MsgHdrs } from '@nats-io/transport-node';
import { messageOf, NotConnected, Undeliverable } from '../../core/errors.ts';
import { isObject, parseObject } from '../../core/json.ts';
import type { Publisher } from './publish.ts';

/** The server's question: which streams keep a subject. */
const streamNames = '$JS.API.STREAM.NAMES';

/** Milliseconds for the server's answer, and for a stream's acknowledgement. */
const patience = 9000;

/** Milliseconds for which an answer counts: somebody may make or delete a stream. */
const validity = 60_000;

/** Subjects that are remembered. */
const maxSubjects = 100;

/**
 * Publishes notifications. If a stream keeps their subject, the stream has to acknowledge them: the server drops a message that a full
 * stream refuses, and says so only in the acknowledgement. Without a stream, or without the right to ask for streams, it publishes to
 * the present subscribers.
 */
export class TopicPublisher {
  private readonly publisher: Publisher;
  private readonly kept = new Map<string, { readonly isKept: boolean; readonly until: number }>();

  constructor(publisher: Publisher) {
    this.publisher = publisher;
  }

  /** Rejects with Undeliverable if the server or the stream refuses the message, with NotConnected if neither answers. */
  async publish(subject: string, body: Uint8Array, headers: MsgHdrs | undefined): Promise<void> {
    const options = headers === undefined ? {} : { headers };
    if (!(await this.isKept(subject))) return this.publisher.publish(subject, body, options);
    const answer = await this.publisher.request(subject, body, patience, headers).catch((error: unknown) => {
      // The stream may have gone.
      this.kept.delete(subject);
      throw error instanceof Undeliverable ? error : new NotConnected(messageOf(error), { cause: error });
    });
    const { error } = parseObject(Buffer.from(answer).toString(), 'the acknowledgement of a stream');
    if (isObject(error)) throw new Undeliverable(`the stream refuses it: ${String(error.description)}`);
  }

  private async isKept(subject: string): Promise<boolean> {
    const known = this.kept.get(subject);
    if (known !== undefined && performance.now() < known.until) return known.isKept;
    const isKept = await this.ask(subject);
    if (this.kept.size >= maxSubjects) this.kept.clear();
    this.kept.set(subject, { isKept, until: performance.now() + validity });
    return isKept;
  }

  private async ask(subject: string): Promise<boolean> {
    try {
      const question = Buffer.from(JSON.stringify({ subject }));
      const answer = await this.publisher.request(streamNames, question, patience);
      const { streams } = parseObject(Buffer.from(answer).toString(), `the answer of ${streamNames}`);
      return Array.isArray(streams) && streams.length > 0;
    } catch (error) {
      // The server has no JetStream, or does not allow the question.
      if (error instanceof errors.NoRespondersError || error instanceof Undeliverable) return false;
      throw error instanceof NotConnected ? error : new NotConnected(messageOf(error), { cause: error });
    }
  }
}
