/**
 * W3C Trace Context (https://www.w3.org/TR/trace-context/): the place of a message in a trace, as its sender has written it. Nothing here
 * throws, whatever a sender writes.
 */

/** The two texts of a context. */
export interface TraceContext {
  /** Version, trace id, span id and flags. */
  readonly traceparent: string;
  /** The state of the sender's tracing vendors, unchecked; at most 512 bytes. */
  readonly tracestate?: string | undefined;
}

/** The parts of a `traceparent`. */
export interface TraceIds {
  readonly traceId: string;
  readonly spanId: string;
  readonly isSampled: boolean;
}

/** Bytes. Later versions may append fields, so a `traceparent` may be longer than the 55 bytes of version 00. */
const mostBytes = { traceparent: 256, tracestate: 512 } as const;

type FieldName = keyof typeof mostBytes;

const form =
  /^(?!ff)(?<version>[\da-f]{2})-(?!0{32})(?<traceId>[\da-f]{32})-(?!0{16})(?<spanId>[\da-f]{16})-(?<flags>[\da-f]{2})(?<rest>-.*)?$/;

/** The parts of a `traceparent`; undefined if it is invalid (section 3.2). */
export function traceIdsOf(traceparent: string): TraceIds | undefined {
  const { version, traceId, spanId, flags, rest } = form.exec(traceparent)?.groups ?? {};
  if (traceId === undefined || spanId === undefined || flags === undefined) return undefined;
  if (version === '00' && rest !== undefined) return undefined;
  return { traceId, spanId, isSampled: (Number.parseInt(flags, 16) & 1) === 1 };
}

/** The `traceparent` of version 00. */
export function traceparentOf({ traceId, spanId, isSampled }: TraceIds): string {
  return `00-${traceId}-${spanId}-${isSampled ? '01' : '00'}`;
}

/** What the properties of each protocol and a text in Postgres can hold. A vendor writes nothing else (section 3.3.1.3). */
const printable = /^[ -~]+$/;

/**
 * A context as a message of ours or a row carries it on: of version 00, since the fields of a later one are not known, and without a
 * `tracestate` that no vendor writes. Undefined if it is invalid.
 */
export function passedOn({ traceparent, tracestate }: TraceContext): TraceContext | undefined {
  const ids = traceIdsOf(traceparent);
  if (ids === undefined) return undefined;
  const own = { traceparent: traceparentOf(ids) };
  return tracestate !== undefined && printable.test(tracestate) ? { ...own, tracestate } : own;
}

/**
 * The context that a process was started with: the variables TRACEPARENT and TRACESTATE, as OpenTelemetry names them
 * (https://opentelemetry.io/docs/specs/otel/context/env-carriers/). They are checked as properties are. Undefined if there is none, or
 * if it is invalid.
 */
export function traceContextIn(
  variables: Readonly<Record<string, string | undefined>>,
): TraceContext | undefined {
  const textOf = (name: FieldName) => {
    const text = variables[name.toUpperCase()];
    return text !== undefined && Buffer.byteLength(text) <= mostBytes[name] ? text.trim() : undefined;
  };
  return passedOn({ traceparent: textOf('traceparent') ?? '', tracestate: textOf('tracestate') });
}

/** Collects the context from the properties of one message. */
export class TraceFields {
  private readonly found: Record<FieldName, string | undefined> = {
    traceparent: undefined,
    tracestate: undefined,
  };
  /** Whether a property came twice. Such a message has no valid context (section 3.2). */
  private hasTwo = false;

  clear(): void {
    this.found.traceparent = undefined;
    this.found.tracestate = undefined;
    this.hasTwo = false;
  }

  /**
   * Takes a property if it is one of the two. The properties of others are skipped, and no text is made of them.
   *
   * @param name the offset of its name in the bytes, which ends before `nameEnd`; `value` and `end` are those of its text.
   */
  take(bytes: Buffer, name: number, nameEnd: number, value: number, end: number): void {
    const field = fieldAt(bytes, name, nameEnd);
    if (field === undefined || end - value > mostBytes[field]) return;
    if (this.found[field] !== undefined) this.hasTwo = true;
    this.found[field] = bytes.toString('latin1', value, end).trim();
  }

  /** The context; undefined if there is none, or if it is invalid. */
  get context(): TraceContext | undefined {
    const { traceparent, tracestate } = this.found;
    if (this.hasTwo || traceparent === undefined || traceIdsOf(traceparent) === undefined) return undefined;
    return tracestate === undefined ? { traceparent } : { traceparent, tracestate };
  }
}

/** Names in any case, since some libraries write `Traceparent`. */
function fieldAt(bytes: Buffer, start: number, end: number): FieldName | undefined {
  const length = end - start;
  if (length !== 'traceparent'.length && length !== 'tracestate'.length) return undefined;
  const name = bytes.toString('latin1', start, end).toLowerCase();
  return name === 'traceparent' || name === 'tracestate' ? name : undefined;
}
