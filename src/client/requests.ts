import { Rejected } from '../core/errors.ts';
import { isObject, type JsonObject, jsonTypeOf } from '../core/json.ts';
import type { Request, WireForm } from '../core/message/request.ts';
import { completeArguments } from './methods.ts';
import { checkSender } from './options.ts';

/** Makes requests and their bodies. */
export class Requests {
  private readonly form: WireForm;
  private readonly context: JsonObject | undefined;
  private readonly stamp: () => number;
  private readonly maxBody: number;

  /** @param maxBody bytes. */
  constructor(form: WireForm, context: JsonObject | undefined, stamp: () => number, maxBody: number) {
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

  /** The body. Throws Rejected if it is too long, or the arguments are no JSON. */
  encode(request: Request): Uint8Array {
    const body = this.form.encode(request);
    if (body.length <= this.maxBody) return body;
    throw new Rejected('too_large', `the body has ${body.length} bytes, more than ${this.maxBody}`);
  }
}
