import type { CommonOptions } from '../core/config/transport-kind.ts';
import { maxAttribute } from '../core/message/codecs/cloudevents-binary.ts';
import type { CodecName } from '../core/message/codecs/index.ts';
import {
  closed,
  type JsonSchema,
  type MethodDescription,
  object,
  orNull,
} from '../workers/methods/description.ts';

/** The form of the messages of one transport. */
export interface PayloadForm {
  readonly contentType: string;
  /** The schema of a message's body. */
  message(method: string, description: MethodDescription): JsonSchema;
  /** The schema of an answer's body. */
  answer(result: JsonSchema): JsonSchema;
  /** The place of a call's reply address and correlation id in its body, and the place of the latter in the answer. */
  readonly inBody: { readonly replyTo: string; readonly correlationId: string; readonly answered: string };
}

/** The keys of an error in an answer. */
const error = object(['class', 'message'], {
  class: { description: 'Such as `NotFound`.', type: 'string' },
  message: { type: 'string' },
  argument: { description: 'The argument that is at fault.', type: 'string' },
});

const version: JsonSchema = { type: 'string', default: '1.0', examples: ['1.0'] };

const native: PayloadForm = {
  contentType: 'application/json',
  message: (method, { args }) =>
    object(['method', 'args'], {
      method: { const: method },
      args,
      version,
      context: {
        description: 'The user and tenant that the message is sent for. Nobody checks it.',
        ...object([], {
          user: { type: 'string' },
          tenant: { type: 'string' },
          request_id: { type: 'string' },
        }),
      },
      message_id: { description: 'If the protocol has no property for it.', type: 'string', minLength: 1 },
      reply_to: { description: 'Of a call, if the protocol has no property for it.', type: 'string' },
      correlation_id: { description: 'Of a call, if the protocol has no property for it.', type: 'string' },
    }),
  answer: (result) => ({
    oneOf: [object(['result'], { result }), object(['error'], { error })],
    properties: { correlation_id: { description: 'If the call has it in its body.', type: 'string' } },
  }),
  inBody: { replyTo: '/reply_to', correlationId: '/correlation_id', answered: '/correlation_id' },
};

/** A body as `what` says, whose JSON is a text in `oslo.message`. */
function inOslo(schema: JsonSchema, what: string): JsonSchema {
  return object(['oslo.version', 'oslo.message'], {
    'oslo.version': { type: 'string', pattern: '^2\\.' },
    'oslo.message': {
      description: `A JSON text: ${what}. \`x-schema\` is its schema.`,
      type: 'string',
      contentMediaType: 'application/json',
      'x-schema': schema,
    },
  });
}

const oslo: PayloadForm = {
  contentType: 'application/json',
  message: (method, { args, argsWithoutSent = args }) =>
    inOslo(
      object(['method', 'args'], {
        method: { const: method },
        args: argsWithoutSent,
        version,
        _unique_id: { type: 'string' },
        _msg_id: { description: 'Of a call.', type: 'string' },
        _reply_q: { description: 'Of a call: the queue for the answer.', type: 'string' },
      }),
      'a message of oslo.messaging, with the context in keys that begin with `_context_`',
    ),
  answer: (result) =>
    inOslo(
      object(['result', 'failure', 'ending', '_msg_id'], {
        result: { anyOf: [result, { type: 'null' }] },
        failure: orNull({ type: 'string', contentMediaType: 'application/json' }),
        ending: { const: true },
        _msg_id: { type: 'string' },
      }),
      'the answer of a call, or its failure',
    ),
  inBody: { replyTo: '/oslo.message', correlationId: '/oslo.message', answered: '/oslo.message' },
};

/** An attribute of an event. */
const attribute = (description: string): JsonSchema => ({
  description,
  type: 'string',
  minLength: 1,
  maxLength: maxAttribute,
});

const cloudevents: PayloadForm = {
  contentType: 'application/cloudevents+json',
  message: (method, { args }) =>
    object(['specversion', 'id', 'source', 'type'], {
      specversion: { const: '1.0' },
      id: attribute('The message id.'),
      source: attribute('The sender. If there is no `subject`, its last part is the instance.'),
      type: {
        ...attribute('The part behind the last dot is the method.'),
        pattern: `(^|\\.)${method.replaceAll(/[^\w ]/g, '\\$&')}$`,
        examples: [`conductor.${method}`],
      },
      subject: attribute('The instance, if `data` has no `instance_id`.'),
      time: { ...attribute('`sent`, if `data` has none.'), format: 'date-time' },
      datacontenttype: attribute('A media type of JSON.'),
      data: withoutSubject(args),
      methodversion: attribute('The version of the methods, such as "1.0".'),
      replyto: attribute('Of a call, if the protocol has no property for it.'),
      correlationid: attribute('Of a call, if the protocol has no property for it.'),
    }),
  answer: (result) =>
    object(['specversion', 'id', 'source', 'type', 'data'], {
      specversion: { const: '1.0' },
      id: { type: 'string' },
      source: { const: '/conductor' },
      type: { enum: ['conductor.answer', 'conductor.error'] },
      correlationid: { description: 'If the call has it in its body.', type: 'string' },
      data: { oneOf: [object(['result'], { result }), object(['error'], { error })] },
    }),
  inBody: { replyTo: '/replyto', correlationId: '/correlationid', answered: '/correlationid' },
};

/** The arguments of an event. The attributes may have `instance_id` and `sent`, so no schema of the data alone requires them. */
function withoutSubject(args: JsonSchema): JsonSchema {
  return {
    description:
      'The arguments. `instance_id` and `sent` may be left out if the attributes have them. `x-schema` is the schema with both.',
    type: 'object',
    'x-schema': args,
  };
}

const forms: Readonly<Record<CodecName, PayloadForm>> = { native, oslo, cloudevents };

/** Two lines before the body prove the sender. */
function signed(form: PayloadForm): PayloadForm {
  return {
    ...form,
    contentType: 'application/octet-stream',
    message: (method, description) => ({
      description:
        'The line of the signature, the signed line and the body, as docs/protocol.md says. `x-schema` is the schema of the body.',
      type: 'string',
      pattern: '^hmac-sha256 [0-9a-f]{64}\\n1 ',
      'x-schema': form.message(method, description),
    }),
  };
}

/** Trove's secure form encrypts the context and the value of each argument. */
function sealed(form: PayloadForm): PayloadForm {
  return {
    ...form,
    message: (method, description) => ({
      description:
        "Trove's secure form: the context and the values of all arguments are encrypted. The schema is that of the message before.",
      ...form.message(method, description),
    }),
  };
}

/** The form of a transport's messages, by its codec and its auth mode. */
export function payloadFormOf({ codec, auth }: CommonOptions): PayloadForm {
  const form = forms[codec];
  if (auth.mode === 'hmac') return signed(form);
  return auth.mode === 'trove' ? sealed(form) : form;
}

/** The result of a method of guests that is called. */
export const outcomeResult: JsonSchema = closed(['outcome'], {
  outcome: { enum: ['applied', 'stale', 'duplicate', 'deferred'] },
});
