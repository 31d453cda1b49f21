import { osloMessage } from '../messages.ts';

/** A body whose ids and time are to be written over. */
export interface Body {
  readonly bytes: Buffer;
  /** Where the instance's id stands. */
  readonly ids: ReadonlyArray<number>;
  /** Where `sent` stands: ten digits, a dot, six digits. */
  readonly sent: number;
}

interface Message {
  readonly method: 'heartbeat' | 'update_backup';
  readonly [argument: string]: unknown;
}

const blankId = '00000000-0000-0000-0000-000000000000';
/** JSON writes it with as many digits as a time has. */
const blankSent = 1000000000.000001;

/** The wire forms that a load is sent in. */
export const bodyForms = {
  native: (message: Message, length: number) =>
    padded(length, (padding) =>
      Buffer.from(
        JSON.stringify({
          method: message.method,
          args: argsOf(message),
          ...(padding !== '' && { context: { padding } }),
        }),
      ),
    ),
  oslo: (message: Message, length: number) =>
    padded(length, (padding) =>
      osloMessage(
        message.method,
        argsOf(message),
        '0'.repeat(32),
        padding === '' ? {} : { _context_padding: padding },
      ),
    ),
};
export type BodyForm = keyof typeof bodyForms;

function argsOf({ method, ...args }: Message): object {
  const backup = method === 'update_backup' ? { backup_id: blankId } : {};
  return { instance_id: blankId, ...backup, sent: blankSent, ...args };
}

/** The body with as much padding as it needs to have so many bytes. */
function padded(length: number, make: (padding: string) => Buffer): Body {
  const least = make('').length;
  const frame = make('.').length - 1;
  const bytes = make('.'.repeat(length > least ? Math.max(1, length - frame) : 0));
  const ids: number[] = [];
  for (let at = bytes.indexOf(blankId); at >= 0; at = bytes.indexOf(blankId, at + 1)) ids.push(at);
  return { bytes, ids, sent: bytes.indexOf(String(blankSent)) };
}
