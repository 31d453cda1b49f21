import type { JsonObject } from '../json.ts';
import type { Answer } from './envelope.ts';

/** A message before it is encoded, in no wire form yet. The sender's counterpart of the envelope. */
export interface Request {
  readonly method: string;
  readonly args: JsonObject;
  readonly messageId: string;
  /** The request context, under the names of the wire form. */
  readonly context?: JsonObject | undefined;
  /** A call whose body must give the answer's address and its id. */
  readonly call?: { readonly replyTo: string; readonly correlationId: string } | undefined;
}

/** An answer, and the id of the call that it belongs to. */
export interface Answered {
  readonly correlationId: string;
  readonly answer: Answer;
}

/** The sending side of a codec: writes messages and reads replies. */
export interface WireForm {
  /** Encodes the body. Throws Rejected with the argument's name if the conductor refuses it in any message. */
  readonly encode: (request: Request) => Uint8Array;
  /** Decodes a reply; undefined if it is no answer, or belongs to no known call. Throws Rejected if it cannot be read. */
  readonly decodeReply: (reply: Reply) => Answered | undefined;
  /** Whether the reply address and the correlation id are in the protocol's own properties, if it has any. */
  readonly repliesByProperties: boolean;
  /** The media type of a message, if the form needs one. */
  readonly contentType?: string;
}

export interface Reply {
  readonly correlationId: string | undefined;
  readonly body: Uint8Array;
}
