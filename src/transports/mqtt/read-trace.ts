import { type TraceContext, TraceFields } from '../../core/message/trace-context.ts';
import type { DeliveryMeta } from '../../core/transport/contract.ts';
import { MessageProperties } from './read-properties.ts';
import { type PublishOptions, PublishReader } from './read-publish.ts';

/** A reader for the messages of one connection. Without `readsTrace` it does no work for traces at all. */
export function createPublishReader(options: PublishOptions): PublishReader {
  return options.readsTrace ? new TracedPublishReader(options) : new PublishReader(options);
}

/** Reads the context of the sender's span too, from the user properties. */
class TracedProperties extends MessageProperties {
  private readonly fields = new TraceFields();

  get trace(): TraceContext | undefined {
    return this.fields.context;
  }

  override clear(): void {
    super.clear();
    this.fields.clear();
  }

  protected override readPair(): boolean {
    const start = this.at;
    if (!super.readPair()) return false;
    // Both lengths lie within the properties, since the pair was read.
    const name = start + 2;
    const nameEnd = name + this.bytes.readUInt16BE(start);
    this.fields.take(this.bytes, name, nameEnd, nameEnd + 2, this.at);
    return true;
  }
}

class TracedPublishReader extends PublishReader {
  private readonly traced: TracedProperties;

  constructor(options: PublishOptions) {
    const traced = new TracedProperties(options.readsEvents);
    super(options, traced);
    this.traced = traced;
  }

  protected override metaOf(
    sender: string | undefined,
    redelivered: boolean,
    receivedAt: number,
  ): DeliveryMeta {
    const meta = super.metaOf(sender, redelivered, receivedAt);
    const { trace } = this.traced;
    return trace === undefined ? meta : { ...meta, trace };
  }
}
