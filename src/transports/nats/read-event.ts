import { EventAttributes } from '../../core/message/codecs/cloudevents-binary.ts';

/** The prefix of the headers of an event in binary mode (NATS protocol binding for CloudEvents, section 3.1.3). */
const prefix = 'ce-';

/** The most bytes of a header block that are read. */
const mostBytes = 65_536;

/** The attributes of an event in binary mode, as `EventAttributes.text` gives them; undefined if the message is none. Never throws. */
export function readEvent(block: Buffer): string | undefined {
  const attributes = new EventAttributes();
  // The first line is the version.
  for (const line of block.toString('utf8', 0, mostBytes).split('\r\n').slice(1)) {
    const colon = line.indexOf(':');
    const name = line.slice(0, colon).toLowerCase();
    const value = line.slice(colon + 1).trim();
    if (name.startsWith(prefix)) attributes.add(name.slice(prefix.length), decoded(value));
    // In this binding `ce-datacontenttype` is the type of the data.
    else if (name === 'content-type') attributes.addContentType(value, false);
  }
  return attributes.text();
}

/** Values are percent-encoded (section 3.1.3.2). A value that is not is taken as it is. */
function decoded(value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    return value;
  }
}
