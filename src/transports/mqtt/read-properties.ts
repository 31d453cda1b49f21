import { EventAttributes } from '../../core/message/codecs/cloudevents-binary.ts';

/** Properties of a PUBLISH (MQTT 5, section 3.3.2.3). */
const id = {
  payloadFormat: 0x01,
  expiry: 0x02,
  contentType: 0x03,
  responseTopic: 0x08,
  correlationData: 0x09,
  subscription: 0x0b,
  topicAlias: 0x23,
  user: 0x26,
} as const;

/** The user property with the message's id. */
const messageIdName = Buffer.from('message-id');

/** The used properties of one message. Filled anew for each. */
export class MessageProperties {
  messageId: string | undefined;
  replyTo: string | undefined;
  correlationId: string | undefined;
  /** Seconds. */
  expiry: number | undefined;
  /** The attributes of an event in binary mode; undefined if they are not read. */
  private attributes: EventAttributes | undefined;
  private readonly readsEvents: boolean;
  /** Whether the message has more than one id. Then it counts as having none. */
  private severalIds = false;
  protected bytes: Buffer = messageIdName;
  protected at = 0;
  private end = 0;

  /** @param readsEvents whether the user properties may be the attributes of an event. */
  constructor(readsEvents: boolean) {
    this.readsEvents = readsEvents;
  }

  /** The attributes of an event in binary mode, as `EventAttributes.text` gives them. */
  get event(): string | undefined {
    return this.attributes?.text();
  }

  /** Whether no property is one that we use. */
  get isEmpty(): boolean {
    return (
      this.messageId === undefined &&
      this.replyTo === undefined &&
      this.correlationId === undefined &&
      this.expiry === undefined
    );
  }

  clear(): void {
    this.messageId = undefined;
    this.replyTo = undefined;
    this.correlationId = undefined;
    this.expiry = undefined;
    this.severalIds = false;
    if (this.readsEvents) this.attributes = new EventAttributes();
  }

  /**
   * Reads the used properties and skips the others by their length. Never throws.
   *
   * @param start the offset of the length of the properties.
   * @returns the offset of the body; undefined if the properties cannot be read.
   */
  read(bytes: Buffer, start: number, end: number): number | undefined {
    this.bytes = bytes;
    this.at = start;
    this.end = end;
    const length = this.readVariable();
    if (length === undefined || this.at + length > end) return undefined;
    this.end = this.at + length;
    while (this.at < this.end) {
      const property = bytes[this.at];
      this.at += 1;
      if (!this.readOne(property)) return undefined;
    }
    return this.end;
  }

  /** False if the length is unknown, or exceeds the message. */
  private readOne(property: number | undefined): boolean {
    const { bytes } = this;
    switch (property) {
      case id.payloadFormat:
        return this.skip(1);
      case id.topicAlias:
        return this.skip(2);
      case id.expiry:
        if (!this.skip(4)) return false;
        this.expiry = bytes.readUInt32BE(this.at - 4);
        return true;
      case id.contentType: {
        const start = this.at + 2;
        if (!this.skipText()) return false;
        this.attributes?.addContentType(bytes.toString('utf8', start, this.at), true);
        return true;
      }
      case id.responseTopic: {
        const start = this.at + 2;
        if (!this.skipText()) return false;
        this.replyTo = bytes.toString('utf8', start, this.at);
        return true;
      }
      case id.correlationData: {
        const start = this.at + 2;
        if (!this.skipText()) return false;
        // Bytes of any value, kept one by one.
        this.correlationId = bytes.toString('latin1', start, this.at);
        return true;
      }
      case id.subscription:
        return this.readVariable() !== undefined;
      case id.user:
        return this.readPair();
      default:
        return false;
    }
  }

  protected readPair(): boolean {
    const name = this.at + 2;
    if (!this.skipText()) return false;
    const value = this.at + 2;
    const isId =
      this.at - name === messageIdName.length && messageIdName.compare(this.bytes, name, this.at) === 0;
    const nameEnd = this.at;
    if (!this.skipText()) return false;
    // In the MQTT binding the names have no prefix (MQTT protocol binding for CloudEvents, section 3.1.3).
    this.attributes?.add(
      this.bytes.toString('utf8', name, nameEnd),
      this.bytes.toString('utf8', value, this.at),
    );
    if (!isId) return true;
    this.messageId = this.severalIds ? undefined : this.bytes.toString('utf8', value, this.at);
    this.severalIds = true;
    return true;
  }

  private skip(length: number): boolean {
    this.at += length;
    return this.at <= this.end;
  }

  /** Text or binary data: two bytes of length precede it (MQTT 5, sections 1.5.4 and 1.5.6). */
  private skipText(): boolean {
    return this.skip(2) && this.skip(this.bytes.readUInt16BE(this.at - 2));
  }

  /** A variable byte integer (MQTT 5, section 1.5.5). */
  private readVariable(): number | undefined {
    let value = 0;
    for (let shift = 0; shift < 28 && this.at < this.end; shift += 7) {
      const byte = this.bytes[this.at] ?? 0;
      this.at += 1;
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    return undefined;
  }
}
