import { messageOf, Rejected } from '../../core/errors.ts';
import type { RawMessage } from '../raw-message.ts';
import { isMistake } from './blame.ts';
import type { ThreadState } from './thread-state.ts';
import { type UnsealOptions, unsealBatch } from './unseal.ts';

/**
 * Unseals a batch's messages. An error of our own code makes only its message a dead letter, since it would come again at each try.
 * Rejects if keys cannot be read.
 */
export async function unsealEach(
  state: ThreadState,
  transport: string,
  batch: ReadonlyArray<RawMessage>,
  options: Partial<UnsealOptions> = {},
): Promise<ReadonlyArray<RawMessage>> {
  const open = (messages: ReadonlyArray<RawMessage>) =>
    unsealBatch(state, transport, messages, { exceptCalls: true, ...options });
  try {
    return await open(batch);
  } catch (error) {
    if (!isMistake(error, false)) throw error;
  }
  const unsealed: RawMessage[] = [];
  for (const message of batch) {
    try {
      unsealed.push(...(await open([message])));
    } catch (error) {
      if (!isMistake(error, false)) throw error;
      const rejected = new Rejected('crash', `unsealing the message failed: ${messageOf(error)}`);
      unsealed.push({ ...message, unsealed: { rejected, call: undefined } });
    }
  }
  return unsealed;
}
