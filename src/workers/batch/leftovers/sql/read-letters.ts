import type { DeadReason } from '../../../../core/errors.ts';
import type { TraceContext } from '../../../../core/message/trace-context.ts';
import type { SenderProof } from '../../../../core/transport/contract.ts';
import type { Db } from '../../../postgres/transaction.ts';

/** A dead letter as its redrive needs it. */
export interface StoredLetter {
  readonly id: string;
  readonly reason: DeadReason;
  readonly messageId: string | null;
  readonly sender: string | null;
  readonly senderProof: SenderProof | null;
  readonly compression: string | null;
  /** Its arguments are its body, and its sender was checked when it was deferred. */
  readonly wasDeferred: boolean;
  readonly isEdited: boolean;
  readonly trace: TraceContext | null;
  /** The edited body, or else the whole body; null if there is none to redrive. */
  readonly body: Buffer | null;
}

/** The body of a call, and a body that is cut or redacted, cannot be redriven as it is. */
const text = `
SELECT id::text, reason, message_id AS "messageId", sender, sender_proof AS "senderProof", compression,
  was_deferred AS "wasDeferred", edited_body IS NOT NULL AS "isEdited", trace_context AS trace,
  coalesce(edited_body, CASE
    WHEN NOT is_call AND NOT redacted AND counted IS NULL AND octet_length(body) >= body_size THEN body
  END) AS body
FROM dead_letters
WHERE id = ANY($1::bigint[]) AND redrive_at IS NOT NULL AND redriven_at IS NULL
ORDER BY id`;

/** Reads the dead letters that still wait to be redriven, the oldest first. */
export function readLetters(db: Db, ids: ReadonlyArray<string>): Promise<StoredLetter[]> {
  return db.query<StoredLetter>('read-letters', text, [ids]);
}
