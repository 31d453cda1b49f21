import type { JsonObject } from '../json.ts';
import type { Answer } from './envelope.ts';

/** A message before it is encoded: what a sender says, whatever the wire form. The counterpart of the envelope. */
export interface Request {
  readonly method: string;
  readonly args: JsonObject;
  readonly messageId: string;
  /** On whose behalf, in the names of the wire form. */
  readonly context?: JsonObject | undefined;
  /** Of a call that has to say in its body where its answer goes, and what the answer is known by. */
  readonly call?: { readonly replyTo: string; readonly correlationId: string } | undefined;
}

/** An answer, and the call that it is to. */
export interface Answered {
  readonly correlationId: string;
  readonly answer: Answer;
}

/** How a codec's messages are written and its replies are read, by those who send. */
export interface WireForm {
  /** The body. Throws Rejected with the name of an argument that the conductor would refuse in any message. */
  readonly encode: (request: Request) => Uint8Array;
  /** Undefined if it is no answer, or to no call that can be told. Throws Rejected if it cannot be read. */
  readonly decodeReply: (reply: Reply) => Answered | undefined;
  /** Whether the reply address and the correlation ride in the protocol's own properties, where it has any. */
  readonly repliesByProperties: boolean;
}

export interface Reply {
  readonly correlationId: string | undefined;
  readonly body: Uint8Array;
}
