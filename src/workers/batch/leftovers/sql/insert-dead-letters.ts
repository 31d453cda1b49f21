import type { DeadReason } from '../../../../core/errors.ts';
import type { SenderProof } from '../../../../core/transport/contract.ts';
import type { Db } from '../../../postgres/transaction.ts';

/** A row of dead_letters. */
export interface DeadLetter {
  readonly transport: string;
  readonly reason: DeadReason;
  readonly detail: string | null;
  readonly method: string | null;
  readonly instanceId: string | null;
  readonly messageId: string | null;
  readonly sender: string | null;
  readonly senderProof: SenderProof | null;
  readonly compression: string | null;
  readonly isCall: boolean;
  readonly wasDeferred: boolean;
  readonly redacted: boolean;
  /** The first 64 KiB of the body; null if nothing of it may be kept. */
  readonly body: Buffer | null;
  readonly bodySize: number;
  /** SHA-256 of the whole body. */
  readonly bodyDigest: Buffer;
  /** As JSON; null if it names none. */
  readonly trace: string | null;
}

const text = `
INSERT INTO dead_letters (transport, reason, detail, method, instance_id, message_id, sender, body, body_size, body_digest,
  sender_proof, compression, is_call, was_deferred, redacted, trace_context)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::bytea[],
  $9::integer[], $10::bytea[], $11::text[], $12::text[], $13::boolean[], $14::boolean[], $15::boolean[], $16::json[])`;

export async function insertDeadLetters(db: Db, letters: ReadonlyArray<DeadLetter>): Promise<void> {
  await db.query('insert-dead-letters', text, [
    letters.map(({ transport }) => transport),
    letters.map(({ reason }) => reason),
    letters.map(({ detail }) => detail),
    letters.map(({ method }) => method),
    letters.map(({ instanceId }) => instanceId),
    letters.map(({ messageId }) => messageId),
    letters.map(({ sender }) => sender),
    letters.map(({ body }) => body),
    letters.map(({ bodySize }) => bodySize),
    letters.map(({ bodyDigest }) => bodyDigest),
    letters.map(({ senderProof }) => senderProof),
    letters.map(({ compression }) => compression),
    letters.map(({ isCall }) => isCall),
    letters.map(({ wasDeferred }) => wasDeferred),
    letters.map(({ redacted }) => redacted),
    letters.map(({ trace }) => trace),
  ]);
}
