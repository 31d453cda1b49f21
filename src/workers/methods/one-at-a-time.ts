import type { JsonObject } from '../../core/json.ts';
import type { Outcome } from '../../core/message/outcome.ts';
import type { Db } from '../postgres/transaction.ts';
import type { CastMethod, GuestArgs } from './contract.ts';
import { byGuard } from './fold.ts';

/** A method that handles one message at a time. */
export interface Handler<Args extends GuestArgs>
  extends Pick<CastMethod<Args>, 'description' | 'parse' | 'needsContext'> {
  /** If missing, the method's messages are never deferred, so no arguments have to be stored. */
  toWire?(args: Args): JsonObject;
  /** Handles one message inside the batch's transaction. It may be called again with the same message. */
  handle(db: Db, args: Args): Promise<Outcome>;
}

/**
 * Makes a method of a handler for single messages. It is simple to write, and its time grows with its number of statements. The handler
 * gets messages in the order of their keys, so that two batches cannot deadlock, and those of one key in the order of their guard.
 */
export function oneAtATime<Args extends GuestArgs>(handler: Handler<Args>): CastMethod<Args> {
  const { description, parse, needsContext, toWire } = handler;
  return {
    ...(description !== undefined && { description }),
    ...(needsContext !== undefined && { needsContext }),
    parse,
    toWire(args) {
      if (toWire === undefined) throw new Error('the handler defers a message, but has no toWire');
      return toWire(args);
    },
    async apply(db, batch) {
      const order = [...batch.entries()].sort(([, a], [, b]) => compare(a.key, b.key) || byGuard(a, b));
      const outcomes = new Array<Outcome>(batch.length);
      for (const [position, args] of order) outcomes[position] = await handler.handle(db, args);
      return outcomes;
    },
  };
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
