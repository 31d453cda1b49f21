import type { Decoded } from '../envelope.ts';
import { Rejected } from '../errors.ts';
import { kindOf, parseObject, textOf } from '../json.ts';
import { readCall } from './native.ts';

/**
 * Decodes oslo.messaging's envelope 2.0 around its RPC message: `{"oslo.version": "2.0", "oslo.message": "<JSON string>"}`
 * (oslo_messaging/_drivers/common.py, `serialize_msg` and `deserialize_msg`). The inner object holds `method`, `args`,
 * `version`, `_unique_id` and the context as `_context_*` keys, which no method needs yet and which are left unread.
 *
 * Trove's secure form, whose argument values are encrypted per instance, is not decoded: an encrypted `instance_id` is
 * refused as the bad argument that it is.
 */
export function decodeOslo(body: Uint8Array): Decoded {
  const outer = parseObject(textOf(body), 'the body');
  const osloVersion = outer['oslo.version'];
  // A peer of the same major version is readable, as in `deserialize_msg`.
  if (typeof osloVersion !== 'string' || !osloVersion.startsWith('2.')) {
    throw new Rejected(
      'bad_envelope',
      `oslo.version is ${JSON.stringify(osloVersion)?.slice(0, 32)}, not "2.0"`,
    );
  }
  const inner = outer['oslo.message'];
  if (typeof inner !== 'string')
    throw new Rejected('bad_envelope', `oslo.message is ${kindOf(inner)}, not a string`);
  const message = parseObject(inner, 'oslo.message');
  if (message.namespace !== undefined && message.namespace !== null) {
    throw new Rejected('unknown_method', 'the message names a namespace; the conductor has none');
  }
  const uniqueId = message._unique_id;
  return {
    ...readCall(message),
    messageId: typeof uniqueId === 'string' ? uniqueId : undefined,
    sentRequired: false,
  };
}
