import type { Envelope } from '../envelope.ts';
import { Rejected } from '../errors.ts';
import { isObject, kindOf, parseObject, refuseHostile, textOf } from '../json.ts';

/** Decodes the native form, `{"method", "args", "version"?}`; everything else rides in the protocol's own properties. */
export function decodeNative(body: Uint8Array, messageId: string | undefined): Envelope {
  const message = parseObject(textOf(body), 'the body');
  const { method, args, version } = readCall(message);
  return { method, args, version, messageId, sentRequired: true };
}

/** The part that both wire forms share: method, args and version. */
export function readCall(message: Record<string, unknown>): Pick<Envelope, 'method' | 'args' | 'version'> {
  const { method, args, version } = message;
  if (typeof method !== 'string')
    throw new Rejected('bad_envelope', `method is ${kindOf(method)}, not a string`);
  if (!isObject(args)) throw new Rejected('bad_envelope', `args is ${kindOf(args)}, not an object`);
  if (version !== undefined && typeof version !== 'string') {
    throw new Rejected('bad_version', `version is ${kindOf(version)}, not a string such as "1.0"`);
  }
  refuseHostile(args, 'args');
  return { method, args, version };
}
