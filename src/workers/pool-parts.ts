/** What runs in the quarantine: the parts of a batch that has ended its thread, and bodies that an operator has edited. */
import { Histogram, latencyBounds } from '../core/histogram.ts';
import type { BatchFigures } from '../core/message/batch-figures.ts';
import { type BatchResult, HELD } from '../core/message/outcome.ts';

/** Milliseconds for the check of an edited body, whose method may be a deployer's that never ends. */
export const checkPatience = 5000;

/**
 * Messages of one part. With the root of the batch's size, one message that ends its thread costs about twice the root in transactions: the
 * parts, then the messages of its part. One by one, they would be as many as the batch has messages.
 */
export const partSize = (messages: number): number => Math.ceil(Math.sqrt(messages));

/** The result of a batch from those of its first parts, in order. The messages of the other parts are HELD. */
export function joinResults(parts: ReadonlyArray<BatchResult>, messages: number): BatchResult {
  const codes = new Uint8Array(messages).fill(HELD);
  const begins: number[] = [];
  let begin = 0;
  for (const part of parts) {
    begins.push(begin);
    codes.set(part.codes, begin);
    begin += part.codes.length;
  }
  const moved = <Value>(of: (part: BatchResult) => ReadonlyArray<readonly [number, Value]> | undefined) =>
    parts.flatMap((part, index) =>
      (of(part) ?? []).map(([at, value]) => [at + (begins[index] ?? 0), value] as const),
    );
  return {
    codes,
    dead: parts.flatMap(({ dead }) => dead),
    heldBecause: parts.at(-1)?.heldBecause,
    heldCause: parts.at(-1)?.heldCause,
    putAsideBecause: parts.find(({ putAsideBecause }) => putAsideBecause !== undefined)?.putAsideBecause,
    addresses: moved(({ addresses }) => addresses),
    notifies: parts.some(({ notifies }) => notifies),
    clocks: {
      ahead: parts.flatMap(({ clocks }) => clocks?.ahead ?? []),
      stale: parts.flatMap(({ clocks }) => clocks?.stale ?? []),
    },
    figures: joinFigures(parts.flatMap(({ figures }) => figures ?? [])),
  };
}

/** A method may stand there several times. The last commit counts. */
function joinFigures(parts: ReadonlyArray<BatchFigures>): BatchFigures | undefined {
  const last = parts.at(-1);
  if (last === undefined) return undefined;
  const sendToCommit = new Histogram(latencyBounds);
  for (const part of parts) sendToCommit.add(part.sendToCommit);
  const { counts, sum } = sendToCommit;
  return {
    methods: parts.flatMap(({ methods }) => methods),
    sendToCommit: { counts, sum },
    committedAt: last.committedAt,
  };
}
