import type { JsonObject } from '../../../core/json.ts';
import type { Outcome } from '../../../core/message/outcome.ts';
import { readableMessage, redactedMark, redactIn, redactMessage } from '../../../core/message/redact.ts';
import { bodyOf } from '../../../core/span.ts';
import type { BatchItem } from '../item.ts';
import { contentSpan } from '../read.ts';

type Dead = Extract<Outcome, { kind: 'dead' }>;

/** The parts of a dead letter that could show a value. */
export interface Shown {
  /** Null: nothing of the body may be kept. */
  readonly body: Buffer | null;
  readonly detail: string;
  /** Whether a value or the body was taken out. */
  readonly redacted: boolean;
  /** The body as it is kept is no longer compressed. */
  readonly inflated: boolean;
}

/**
 * Takes the values of the named arguments out of a message, at any depth. A body that cannot be read may hold such a value anywhere,
 * so none of it is kept.
 */
export function redact(
  item: BatchItem,
  { reason, detail = '' }: Partial<Pick<Dead, 'reason' | 'detail'>>,
  names: ReadonlySet<string>,
): Shown {
  const { raw, method, args } = item;
  const found: string[] = [];
  if (raw === undefined) {
    const body = Buffer.from(JSON.stringify({ method, args: redactIn(args, names, found) }));
    return { body, detail: withoutValues(detail, found), redacted: found.length > 0, inflated: false };
  }
  const message = readable(item, reason);
  if (message === undefined)
    return { body: null, detail: withoutExcerpt(detail), redacted: true, inflated: false };
  const redacted = redactMessage(message, names, found);
  if (found.length === 0) return { body: bodyOf(raw), detail, redacted: false, inflated: false };
  const body = Buffer.from(JSON.stringify(redacted));
  return { body, detail: withoutValues(detail, found), redacted: true, inflated: true };
}

/** The message as JSON; undefined if it cannot be read. A message that has ended a worker is not read again. */
function readable({ raw }: BatchItem, reason: Dead['reason'] | undefined): JsonObject | undefined {
  if (raw === undefined || raw.oversize !== undefined || raw.unsealed !== undefined || reason === 'crash')
    return undefined;
  try {
    return readableMessage(bodyOf(contentSpan(raw)));
  } catch {
    // It cannot be inflated, and is dead for this very reason.
    return undefined;
  }
}

/** Characters by which a value is recognized in a detail, since a detail quotes only the beginning of a long one. */
const recognized = 12;

function withoutValues(detail: string, found: ReadonlyArray<string>): string {
  const words = new Set(detail.split(/[^\p{L}\p{N}]+/u));
  const isQuoted = found.some((value) => {
    const begin = value.slice(0, recognized);
    if (begin.length < 3) return words.has(begin) && begin !== '';
    return detail.includes(begin) || detail.includes(JSON.stringify(begin).slice(1, -1));
  });
  return isQuoted ? `${redactedMark}: it quoted a value that is not kept` : detail;
}

/** The parser of JSON quotes a part of the text behind this colon. */
function withoutExcerpt(detail: string): string {
  const [begin = '', ...rest] = detail.split(': ');
  return rest.length === 0 ? detail : `${begin}; more is not kept`;
}
