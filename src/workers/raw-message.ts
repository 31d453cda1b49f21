import type { Rejected } from '../core/errors.ts';
import type { CallAddress, Envelope } from '../core/message/envelope.ts';
import type { SignedMessage } from '../core/message/signature.ts';
import type { SenderProof } from '../core/transport/contract.ts';

/** Bytes of a dead letter's body that are kept. */
export const keptBody = 64 * 1024;

/** One message of an unpacked batch. */
export interface RawMessage {
  /**
   * The body, from `begin` to `end` of the batch's bytes: the whole body, or the first `keptBody` bytes of one that is too large. A view
   * of it is made where it is read (`bodyOf`), since a view that lives as long as its batch costs garbage collection.
   */
  readonly bytes: Buffer;
  readonly begin: number;
  readonly end: number;
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
  /** The lines before the content of a plain body, if a signature proves them. */
  readonly signed?: SignedMessage;
  /** The result of unsealing Trove's secure form; undefined if the body is read as it is. */
  readonly unsealed?: Unsealed;
}

/** A view of the body. */
export function bodyOf({ bytes, begin, end }: Pick<RawMessage, 'bytes' | 'begin' | 'end'>): Buffer {
  return bytes.subarray(begin, end);
}

/** The place of a body that has bytes of its own. */
export function wholeBody(bytes: Buffer): Pick<RawMessage, 'bytes' | 'begin' | 'end'> {
  return { bytes, begin: 0, end: bytes.length };
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
