import type { CommonOptions } from '../core/config/transport-kind.ts';
import { ConfigError, Rejected } from '../core/errors.ts';
import { readSenderKey, type SenderKey } from '../core/message/sender-key.ts';
import { HmacKey, sign } from '../core/message/signature.ts';
import { firstLineOf } from '../core/transport/security.ts';
import type { Sender, SenderSession } from '../core/transport/sender.ts';

/** The key that a transport's options name; undefined if its messages are not signed. Throws ConfigError. */
export function signingKeyOf({ auth }: CommonOptions): SenderKey | undefined {
  const { mode, key, keyFile } = auth;
  const name = keyFile === '' ? 'auth.key' : 'auth.keyFile';
  const line = keyFile === '' ? key : firstLineOf(keyFile, name);
  if (mode !== 'hmac') {
    if (line === '') return undefined;
    throw new ConfigError(`${name}: goes with auth.mode hmac, not with ${mode}`);
  }
  if (line === '')
    throw new ConfigError(
      'auth.keyFile: is required to send with auth.mode hmac: conductor keys create makes the key',
    );
  const signingKey = readSenderKey(line);
  if (signingKey !== undefined) return signingKey;
  throw new ConfigError(
    `${name}: must be "<sender> <key id> <key>", the line that conductor keys create prints`,
  );
}

/** Bytes that a signature adds to a body at most, beside the names of its key. */
const overhead = 77 + 30 + 255;

/** Bytes that a key's signature adds to a body at most. */
export function signatureLength({ sender, keyId }: SenderKey): number {
  return overhead + Buffer.byteLength(sender) + keyId.length;
}

/**
 * A sender that signs each message at the moment when it is sent: a message may wait for a connection for long. Nobody signs the
 * protocol's properties, so the reply address of a call stands in its body.
 *
 * @param now milliseconds since the epoch.
 */
export function signingSender(inner: Sender, signer: SenderKey, now: () => number = Date.now): Sender {
  const key = new HmacKey(signer.secret);
  return {
    async connect(receive) {
      const session = await inner.connect(receive);
      const signing: SenderSession = {
        async send(message) {
          const { messageId } = message;
          if (Buffer.byteLength(messageId) > 255 || /\p{Cc}/u.test(messageId))
            throw new Rejected(
              'bad_envelope',
              'the message id must have at most 255 bytes, and no control character',
            );
          const line = { keyId: signer.keyId, sender: signer.sender, sent: now() / 1000, messageId };
          await session.send({ ...message, body: sign(message.body, line, key) });
        },
        get replyTo() {
          return session.replyTo;
        },
        hasProperties: false,
        stop: (deadline) => session.stop(deadline),
        closed: session.closed,
      };
      return signing;
    },
  };
}
