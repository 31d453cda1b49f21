/**
 * The binary mode of CloudEvents 1.0: the attributes of an event are properties of the message, and its body is the data. A transport
 * collects the attributes. The text of them goes before the worker reads the message, so that a worker, `deferred` and a dead letter
 * only know the structured mode.
 */

/** The attributes that the codec reads. Others are skipped, so that a sender cannot fill the memory with them. */
const known: ReadonlySet<string> = new Set([
  ...['specversion', 'id', 'source', 'type', 'subject', 'time', 'datacontenttype'],
  ...['methodversion', 'user', 'tenant', 'requestid'],
]);

/** The most characters of an attribute. The codec refuses a longer one, by its name. */
export const maxAttribute = 1024;

/** The content type of the structured mode begins with it, and that of the batched mode, which no codec reads. */
export const structuredType = 'application/cloudevents';

/** The content type of the structured mode in the JSON format. */
export const structuredJson = `${structuredType}+json; charset=utf-8`;

/**
 * Whether a transport reads the attributes of events. A signature does not cover properties, so a signed event is in structured mode.
 */
export function readsEvents({
  codec,
  auth,
}: {
  readonly codec: string;
  readonly auth: { readonly mode: string };
}): boolean {
  return codec === 'cloudevents' && auth.mode !== 'hmac';
}

/** Collects the attributes of one event. */
export class EventAttributes {
  private readonly found = new Map<string, string>();
  private isStructured = false;

  /** Takes an attribute. The first one of a name counts. */
  add(name: string, value: string): void {
    // One character more than allowed shows the codec that it is too long.
    if (known.has(name) && !this.found.has(name)) this.found.set(name, value.slice(0, maxAttribute + 1));
  }

  /**
   * Takes the content type of the message.
   *
   * @param isAttribute whether it is the `datacontenttype` of the binary mode.
   */
  addContentType(value: string, isAttribute: boolean): void {
    if (value.slice(0, structuredType.length).toLowerCase() === structuredType) this.isStructured = true;
    else if (isAttribute) this.add('datacontenttype', value);
  }

  /** The attributes as members of a JSON object, without its braces; undefined if the message is not in binary mode. */
  text(): string | undefined {
    if (this.isStructured || !this.found.has('specversion')) return undefined;
    return JSON.stringify(Object.fromEntries(this.found)).slice(1, -1);
  }
}

/** The texts before and behind the data in the structured event. */
export interface EventFrame {
  readonly before: string;
  readonly behind: string;
}

/**
 * The frame that makes a structured event of a body. The data comes first: a body that is no JSON value, but ends the member `data` and
 * goes on, cannot overwrite an attribute, since the last member of a name counts.
 *
 * @param attributes as `EventAttributes.text` returns them.
 * @param isEmpty whether the body is empty. Then the event has no data.
 */
export function eventFrame(attributes: string, isEmpty: boolean): EventFrame {
  return isEmpty
    ? { before: `{${attributes}}`, behind: '' }
    : { before: '{"data":', behind: `,${attributes}}` };
}
