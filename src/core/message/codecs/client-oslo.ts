import { randomUUID } from 'node:crypto';
import { Rejected } from '../../errors.ts';
import { isObject, type JsonObject, jsonTypeOf, parseObject, textOf } from '../../json.ts';
import type { Answer } from '../envelope.ts';
import type { Answered, Reply, Request, WireForm } from '../request.ts';
import { textAt, toJson } from './client-native.ts';

/** The version of the method table that Trove's conductor API asks for (trove/conductor/api.py). */
const version = '1.0';

/** The keys of a context that oslo.context and Trove need, for a sender that acts on nobody's behalf. */
const emptyContext: JsonObject = {
  user: null,
  project_id: null,
  is_admin: false,
  read_only: false,
  show_deleted: false,
  auth_token: null,
  roles: [],
  limit: null,
  marker: null,
  service_catalog: null,
};

/**
 * oslo.messaging's envelope 2.0 around its RPC message (oslo_messaging/_drivers/common.py `serialize_msg`,
 * _drivers/amqp.py `pack_context`, _drivers/amqpdriver.py `_send`). A call names its reply queue and itself in the body.
 */
export const osloForm: WireForm = {
  encode({ method, args, messageId, context, call }: Request) {
    const message = {
      method,
      args,
      version,
      ...(call !== undefined && {
        _msg_id: call.correlationId,
        _reply_q: call.replyTo,
        _timeout: null,
      }),
      _unique_id: messageId,
      ...contextKeys({ ...emptyContext, request_id: `req-${randomUUID()}`, ...context }),
    };
    return Buffer.from(
      JSON.stringify({ 'oslo.version': '2.0', 'oslo.message': toJson(method, args, message) }),
    );
  },
  decodeReply,
  repliesByProperties: false,
};

function contextKeys(context: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(context).map(([key, value]) => [`_context_${key}`, value]));
}

/**
 * Reads `{"result", "failure", "ending", "_msg_id"}` in its envelope (_drivers/amqpdriver.py `_send_reply`). A reply without `ending`
 * only says that the call is still running.
 */
function decodeReply({ body }: Reply): Answered | undefined {
  const inner = parseObject(textOf(body), 'the reply')['oslo.message'];
  if (typeof inner !== 'string')
    throw new Rejected('bad_envelope', `oslo.message is ${jsonTypeOf(inner)}, not a string`);
  const reply = parseObject(inner, 'oslo.message');
  const correlationId = reply._msg_id;
  if (typeof correlationId !== 'string' || reply.ending === false) return undefined;
  return { correlationId, answer: answerOf(reply) };
}

/** A failure is a JSON text (_drivers/common.py `serialize_remote_exception`). */
function answerOf({ result, failure }: JsonObject): Answer {
  if (failure === null || failure === undefined) return { result };
  const error = typeof failure === 'string' ? parseObject(failure, 'failure') : failure;
  if (!isObject(error)) throw new Rejected('bad_envelope', `failure is ${jsonTypeOf(error)}, not a string`);
  return {
    error: { class: textAt(error, 'class', 'Exception'), message: textAt(error, 'message', '') },
  };
}
