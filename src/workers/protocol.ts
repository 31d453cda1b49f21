import { createHash } from 'node:crypto';
import type { Access } from '../core/config/access.ts';
import type { AuthMode } from '../core/config/transport-kind.ts';
import type { Delivery, SenderProof } from '../core/contracts.ts';
import type { CallAddress, Envelope } from '../core/envelope.ts';
import type { Rejected } from '../core/errors.ts';
import type { DeadNotice, Notification } from '../core/outcome.ts';

/** What crosses between the main thread and the workers: plain values and one transferred buffer a batch. */

/** Everything a worker thread needs to know, given once as its `workerData`. */
export interface WorkerSettings {
  readonly database: {
    readonly url: string;
    readonly passwordFile: string;
    readonly connectTimeout: number;
    readonly statementTimeout: number;
    readonly lockTimeout: number;
    readonly idleInTransactionTimeout: number;
    readonly synchronousCommit: string;
    readonly preparedStatements: boolean;
    /** Shows in pg_stat_activity. */
    readonly applicationName: string;
  };
  /** Batches that one thread runs at once; each has a connection. */
  readonly concurrency: number;
  /** Bytes that a body may have once it is inflated. */
  readonly maxBody: number;
  readonly transports: Readonly<
    Record<
      string,
      {
        readonly codec: 'native' | 'oslo';
        readonly auth: AuthMode;
        /** Of auth `trove`: what `instances.encrypted_key` is encrypted under. */
        readonly instRpcKeyEncrKey?: string;
      }
    >
  >;
  readonly autoRegister: boolean;
  readonly deferred: {
    readonly firstDelay: number;
    readonly maxDelay: number;
    readonly maxAge: number;
    readonly maxRows: number;
  };
  readonly deadLetters: { readonly maxRows: number; readonly stormShare: number };
  readonly notifications: {
    /** Empty: nothing is published. */
    readonly topic: string;
    readonly publisherHost: string;
  };
  readonly calls: {
    /** Calls that one thread runs at once; each has a connection. */
    readonly concurrency: number;
    /** Milliseconds that a call may take. */
    readonly timeout: number;
    /** Bytes that an answer may have. */
    readonly maxReply: number;
    /** Rows that one call lists, creates or updates at most. */
    readonly maxRows: number;
    /** Milliseconds that the answer to a mutating call is kept. */
    readonly resultRetention: number;
    /** Answers that are kept. */
    readonly maxResults: number;
  };
  /** Who may do what, beyond a guest's own reports. */
  readonly access: Access;
  /** URL of a module with the deployer's own methods. */
  readonly managerModule: string | undefined;
}

export interface PackedBatch {
  readonly transport: string;
  readonly count: number;
  /** Transferred, not copied: the sender cannot use it afterwards. */
  readonly buffer: ArrayBuffer;
}

/** A call on its way to a worker. */
export interface PackedCall {
  /** Of one message. */
  readonly batch: PackedBatch;
  /** Milliseconds that are left for it. */
  readonly timeout: number;
  /** How often it has lost its connection while its method ran. */
  readonly losses: number;
}

/** A message in Trove's secure form, once it has been opened, or not. */
export type Opened =
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

/** One message of an unpacked batch. */
export interface Incoming {
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
  readonly opened?: Opened;
}

/** Bytes of a dead letter's body that are kept. */
export const keptBody = 64 * 1024;

const digestLength = 32;
const proofs: ReadonlyArray<SenderProof | undefined> = [undefined, 'subject', 'user-id'];
/** Added to the number of a proof: the message has a reply address. */
const callFlag = 4;
const proofMask = 3;
/** By how many bits the length of the compression's name stands above them, plus one; 0: the body is not compressed. */
const compressionShift = 8;
/** Characters of a compression's name that go on: a longer one is none that is known. */
const maxCompression = 64;
/** Words per message: body bytes carried, body bytes in all, message id bytes + 1, sender bytes + 1, proof and flags. */
const words = 5;

/**
 * Packs deliveries into one buffer: a table of unsigned 32-bit words, then each message's bytes. A text's length is kept
 * plus one, so that 0 says that there is none.
 *
 * @param maxBody bytes: of a longer body only a prefix and the digest go on.
 */
export function pack(transport: string, deliveries: ReadonlyArray<Delivery>, maxBody: number): PackedBatch {
  const table = new Uint32Array(deliveries.length * words);
  let total = table.byteLength;
  let row = 0;
  for (const { body, meta } of deliveries) {
    const carried = body.length > maxBody ? Math.min(body.length, keptBody) : body.length;
    const messageId = textLength(meta.messageId);
    const sender = textLength(meta.sender);
    table[row] = carried;
    table[row + 1] = body.length;
    table[row + 2] = messageId;
    table[row + 3] = sender;
    table[row + 4] = proofs.indexOf(meta.senderProof) | (meta.replyTo === undefined ? 0 : callFlag);
    if (meta.compression !== undefined) {
      const length = textLength(compressionOf(meta.compression));
      table[row + 4] = (table[row + 4] ?? 0) | (length << compressionShift);
      total += length - 1;
    }
    row += words;
    total += carried + Math.max(0, messageId - 1) + Math.max(0, sender - 1);
    if (body.length > maxBody) total += digestLength;
  }
  const bytes = Buffer.from(new ArrayBuffer(total));
  bytes.set(new Uint8Array(table.buffer), 0);
  let at = table.byteLength;
  row = 0;
  for (const { body, meta } of deliveries) {
    const carried = table[row] ?? 0;
    row += words;
    bytes.set(carried === body.length ? body : body.subarray(0, carried), at);
    at += carried;
    if (body.length > maxBody) {
      bytes.set(createHash('sha256').update(body).digest(), at);
      at += digestLength;
    }
    if (meta.messageId !== undefined) at += bytes.write(meta.messageId, at);
    if (meta.sender !== undefined) at += bytes.write(meta.sender, at);
    if (meta.compression !== undefined) at += bytes.write(compressionOf(meta.compression), at);
  }
  return { transport, count: deliveries.length, buffer: bytes.buffer };
}

/** The messages of a batch; their bodies are views of its buffer. */
export function unpack({ buffer, count }: PackedBatch): Incoming[] {
  const table = new Uint32Array(buffer, 0, count * words);
  const bytes = Buffer.from(buffer);
  let at = table.byteLength;
  const take = (length: number) => {
    at += length;
    return bytes.subarray(at - length, at);
  };
  const takeText = (lengthPlusOne: number) =>
    lengthPlusOne === 0 ? undefined : take(lengthPlusOne - 1).toString('utf8');
  return Array.from({ length: count }, (_, index) => {
    const row = index * words;
    const carried = table[row] ?? 0;
    const size = table[row + 1] ?? 0;
    const body = take(carried);
    const oversize = carried < size ? { size, digest: take(digestLength) } : undefined;
    const messageId = takeText(table[row + 2] ?? 0);
    const sender = takeText(table[row + 3] ?? 0);
    const flags = table[row + 4] ?? 0;
    const isCall = (flags & callFlag) !== 0;
    const compression = takeText(flags >>> compressionShift);
    return { body, oversize, messageId, sender, senderProof: proofs[flags & proofMask], isCall, compression };
  });
}

function compressionOf(name: string): string {
  return name.slice(0, maxCompression);
}

function textLength(text: string | undefined): number {
  return text === undefined ? 0 : Buffer.byteLength(text) + 1;
}

/** A notification that a deferred message has led to. */
export interface DueNotification {
  readonly transport: string;
  readonly notification: Notification;
  /** The message's row. */
  readonly row: DeferredVersion;
}

/** Which version of a deferred message's row is meant: a newer message may be laid over it. */
export interface DeferredVersion {
  readonly method: string;
  readonly key: string;
  readonly sent: number;
}

/** What one round of retrying deferred messages and of keeping tables bounded did. */
export interface MaintenanceResult {
  /** Deferred messages that were due. */
  readonly retried: number;
  /** Of those, that now are applied, stale, duplicate or dead. */
  readonly resolved: number;
  /** Those that are dead now. */
  readonly dead?: ReadonlyArray<DeadNotice>;
  /** Old dead letters that were deleted to keep the table bounded. */
  readonly trimmed: number;
  /** What retried messages have led to. Each message stays deferred until its notification is published and it is forgotten. */
  readonly notifications?: ReadonlyArray<DueNotification>;
  readonly failedBecause?: string;
}
