import type { Rejected } from '../core/errors.ts';
import type { CallAddress, Envelope } from '../core/message/envelope.ts';
import type { TraceContext } from '../core/message/trace-context.ts';
import type { Span } from '../core/span.ts';
import type { SenderProof } from '../core/transport/contract.ts';

/** Bytes of a dead letter's body that are kept. */
export const keptBody = 64 * 1024;

/** One message of an unpacked batch, with the whole body or the first `keptBody` bytes of one that is too large. */
export interface RawMessage extends Span {
  /** Set for a body that was too large to cross to the worker. */
  readonly oversize: { readonly size: number; readonly digest: Uint8Array } | undefined;
  readonly messageId: string | undefined;
  readonly sender: string | undefined;
  readonly senderProof: SenderProof | undefined;
  /** Whether the message has a reply address. */
  readonly isCall: boolean;
  /** The compression of the body, as its sender names it; undefined if it has none. */
  readonly compression?: string | undefined;
  /** Inflates a compressed body; throws Rejected. It inflates anew each time, so that a batch does not keep all plain bodies. */
  readonly inflated?: (() => Uint8Array) | undefined;
  /** The offset of the content in the plain body, behind the lines of a signature that proves the sender. Undefined: it is 0. */
  readonly contentBegin?: number;
  /** Seconds since the epoch: when the message was signed. Undefined if no signature proves its sender. */
  readonly signedAt?: number;
  /** The trace that its sender names. Only if tracing is on, or if it comes from a row. */
  readonly trace?: TraceContext | undefined;
  /** The result of unsealing Trove's secure form; undefined if the body is read as it is. */
  readonly unsealed?: Unsealed;
}

/** The result of unsealing a message. */
export type Unsealed =
  | {
      readonly envelope: Envelope;
      /** Encrypts the answer to a call for its sender. */
      readonly seal: (result: unknown) => unknown;
    }
  | { readonly rejected: Rejected; readonly call: CallAddress | undefined }
  /** A cast whose sender's key is not known yet. */
  | { readonly waits: SealedCast }
  /** A call in a batch. It is only recognized there, not unsealed. */
  | { readonly call: CallAddress };

/** The readable parts of a cast that cannot be unsealed yet. */
export interface SealedCast {
  readonly method: string;
  /** As the message claims. */
  readonly instanceId: string;
}
