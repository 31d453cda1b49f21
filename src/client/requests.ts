import { Rejected } from '../core/errors.ts';
import { isObject, type JsonObject, jsonTypeOf } from '../core/json.ts';
import type { Request, WireForm } from '../core/message/request.ts';
import type { OutgoingMessage } from '../core/transport/sender.ts';
import type { ActiveTrace } from './active-trace.ts';
import type { CallRequest } from './calls.ts';
import { completeArguments } from './methods.ts';
import { checkSender } from './options.ts';

/** Makes requests and their bodies. */
export class Requests {
  private readonly form: WireForm;
  private readonly context: JsonObject | undefined;
  private readonly stamp: () => number;
  private readonly maxBody: number;
  private readonly activeTrace: ActiveTrace;

  /**
   * @param maxBody bytes.
   * @param activeTrace left out: no message has the context of a span.
   */
  constructor(
    form: WireForm,
    context: JsonObject | undefined,
    stamp: () => number,
    maxBody: number,
    activeTrace: ActiveTrace = () => undefined,
  ) {
    this.activeTrace = activeTrace;
    this.form = form;
    this.context = context;
    this.stamp = stamp;
    this.maxBody = maxBody;
  }

  /** A request with complete arguments. Throws Rejected or ConfigError. */
  create(method: string, args: unknown, messageId: string, sender: string): Request {
    if (!isObject(args)) throw new Rejected('bad_envelope', `args is ${jsonTypeOf(args)}, not an object`);
    return {
      method,
      args: completeArguments(method, args, checkSender(sender), this.stamp),
      messageId,
      context: this.context,
    };
  }

  /** The message of a cast. Throws Rejected as `encode`. */
  castOf(request: Request, sender: string): OutgoingMessage {
    const { contentType } = this.form;
    const { messageId } = request;
    return { sender, messageId, contentType, body: this.encode(request), trace: this.activeTrace() };
  }

  /**
   * The maker of a call's message. An error of the message is thrown here, with or without a connection. The message has the context of
   * the span that is active now.
   */
  callOf(request: Request, sender: string, correlationId: string): CallRequest['message'] {
    this.encode({ ...request, call: { replyTo: '', correlationId } });
    const trace = this.activeTrace();
    return ({ hasProperties }, replyTo, left) => {
      const inBody = !(hasProperties && this.form.repliesByProperties);
      const call = { replyTo, correlationId };
      return {
        sender,
        messageId: request.messageId,
        body: this.encode(inBody ? { ...request, call } : request),
        contentType: this.form.contentType,
        expectsReply: true,
        ...(!inBody && call),
        expiration: left,
        trace,
      };
    };
  }

  /** The body. Throws Rejected if it is too long, or the arguments are no JSON. */
  private encode(request: Request): Uint8Array {
    const body = this.form.encode(request);
    if (body.length <= this.maxBody) return body;
    throw new Rejected('too_large', `the body has ${body.length} bytes, more than ${this.maxBody}`);
  }
}
