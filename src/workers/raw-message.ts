import type { Rejected } from '../core/errors.ts';
import type { CallAddress, Envelope } from '../core/message/envelope.ts';
import type { SenderProof } from '../core/transport/contract.ts';

/** Bytes of a dead letter's body that are kept. */
export const keptBody = 64 * 1024;

/** One message of an unpacked batch. */
export interface RawMessage {
  /** The whole body, or the first `keptBody` bytes of one that is too large. */
  readonly body: Uint8Array;
  /** Of a body that was too large to be carried over. */
  readonly oversize: { readonly size: number; readonly digest: Uint8Array } | undefined;
  readonly messageId: string | undefined;
  readonly sender: string | undefined;
  readonly senderProof: SenderProof | undefined;
  /** Whether it has a reply address. */
  readonly isCall: boolean;
  /** How the body is compressed, as its sender says; undefined where it is not. */
  readonly compression?: string | undefined;
  /** The plain body of a compressed one; throws Rejected. Made anew each time, so that a batch does not keep them all. */
  readonly inflated?: (() => Uint8Array) | undefined;
  /** What opening Trove's secure form came to; undefined where the body is read as it is. */
  readonly unsealed?: Unsealed;
}

/** A message in Trove's secure form, once it has been opened, or not. */
export type Unsealed =
  | {
      readonly envelope: Envelope;
      /** Encrypts the answer to a call for its sender. */
      readonly seal: (result: unknown) => unknown;
    }
  | { readonly rejected: Rejected; readonly call: CallAddress | undefined }
  /** A cast whose sender's key is not known. */
  | { readonly waits: SealedCast }
  /** Not opened: in a batch a call is only told apart. */
  | { readonly call: CallAddress };

/** What can be read of a cast that cannot be opened yet. */
export interface SealedCast {
  readonly method: string;
  /** As it claims. */
  readonly instanceId: string;
}
