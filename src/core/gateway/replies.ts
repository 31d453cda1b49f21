import { within } from '../deadline.ts';
import { messageOf } from '../errors.ts';
import type { Logger } from '../logger.ts';
import type { CallAddress } from '../message/envelope.ts';
import type { CallResult, CallRun, Resumption } from '../message/outcome.ts';
import type { TraceContext } from '../message/trace-context.ts';
import { LineBudget } from '../quiet-log.ts';
import type { Delivery, Publication } from '../transport/contract.ts';

export interface RepliesOptions {
  /** Runs one call in a worker. It should not reject; if it rejects, the call is held. */
  readonly call: (transport: string, call: Delivery, run: CallRun) => Promise<CallResult>;
  /** Milliseconds that a call may take. */
  readonly callTimeout: number;
  /** Encodes the answer "busy" in a transport's wire form, for a call without room. */
  readonly busy: (transport: string, address: CallAddress) => Uint8Array;
  /** The media type of the answers over a transport, if they need one. */
  readonly contentType?: ((transport: string) => string | undefined) | undefined;
  /** The context that the answer to a call carries; left out if tracing is off. */
  readonly traceOf?: ((call: Delivery) => TraceContext | undefined) | undefined;
  readonly logger: Logger;
}

/** Milliseconds to wait until the broker accepts an answer. */
const publishPatience = 10_000;

/** Milliseconds to wait until the broker accepts the answer to a refused call. Short, since the call holds room of others. */
const refusalPatience = 1000;

const noAddress: CallAddress = { replyTo: undefined, id: undefined };

/** Has calls executed, and publishes their answers before they are settled. */
export class Replies {
  private readonly options: RepliesOptions;
  /** How often a call has lost its connection while its method ran. */
  private readonly losses = new WeakMap<Delivery, number>();
  /** Bounds the lines, since callers can cause as many failures as they like. */
  private readonly failures = new LineBudget(10, 1000);
  private readonly unpublished = new LineBudget(10, 1000);
  /** How many answers to refused calls the broker has neither accepted in time nor refused, by transport. */
  private readonly late = new Map<string, number>();

  constructor(options: RepliesOptions) {
    this.options = options;
  }

  /** Resolves when the call has been executed and the broker has its answer. Never rejects. */
  async run(transport: string, call: Delivery, resumption?: Resumption): Promise<CallResult> {
    const result = await this.execute(transport, call, resumption);
    if (result.outcome === undefined) return result;
    const { replyTo, correlationId } = call.meta;
    const { reply } = result;
    // The broker may have changed the name in the property, as RabbitMQ's direct reply-to does.
    const name = replyTo ?? reply?.name;
    if (reply !== undefined && name !== undefined)
      await this.publish(transport, call, { to: { kind: 'reply', name }, body: reply.body, correlationId });
    return result;
  }

  /**
   * Tells the caller that there is no room for the call. Resolves when the broker has accepted or refused the answer, or is late. While
   * an answer is late, further refused calls get none, since they hold the room of casts. Never rejects.
   */
  async refuse(transport: string, call: Delivery, address = noAddress): Promise<void> {
    const { correlationId, replyTo = address.replyTo } = call.meta;
    if (replyTo === undefined || this.lateOf(transport) > 0) return;
    const body = this.options.busy(transport, address);
    const told = this.publish(transport, call, {
      to: { kind: 'reply', name: replyTo },
      body,
      correlationId,
    });
    let isLate = false;
    void told.then(() => {
      if (isLate) this.late.set(transport, this.lateOf(transport) - 1);
    });
    await within(told, refusalPatience).catch(() => {
      isLate = true;
      this.late.set(transport, this.lateOf(transport) + 1);
    });
  }

  private lateOf(transport: string): number {
    return this.late.get(transport) ?? 0;
  }

  private async execute(
    transport: string,
    call: Delivery,
    resumption: Resumption | undefined,
  ): Promise<CallResult> {
    const { callTimeout, logger } = this.options;
    const { deadline = Number.POSITIVE_INFINITY } = call.meta;
    const left = Math.min(callTimeout, deadline - performance.now());
    if (left <= 0) return { outcome: 'expired' };
    try {
      const losses = this.losses.get(call) ?? 0;
      const result = await this.options.call(transport, call, { timeout: left, losses, resumption });
      if (result.lost) this.losses.set(call, losses + 1);
      if (result.problem !== undefined) {
        const leftOut = this.failures.take();
        if (leftOut !== undefined)
          logger.error(
            { code: 'method-failed', transport, error: result.problem, ...more(leftOut) },
            'a method failed',
          );
      }
      return result;
    } catch (error) {
      return { outcome: undefined, heldBecause: `a worker failed: ${messageOf(error)}` };
    }
  }

  /** Publishes once. If the broker does not accept the answer, its caller misses it; the call is settled all the same. */
  private async publish(transport: string, call: Delivery, publication: Publication): Promise<void> {
    try {
      const contentType = this.options.contentType?.(transport);
      const typed = contentType === undefined ? publication : { ...publication, contentType };
      const trace = this.options.traceOf?.(call);
      const traced = trace === undefined ? typed : { ...typed, trace };
      await within(call.session.publish(traced), publishPatience);
    } catch (error) {
      const { kind, name } = publication.to;
      const leftOut = this.unpublished.take();
      if (leftOut === undefined) return;
      const to = name.slice(0, 128);
      this.options.logger.warn(
        { code: 'answer-unpublished', transport, [kind]: to, error: messageOf(error), ...more(leftOut) },
        'could not publish',
      );
    }
  }
}

/** The number of lines that were left out before this one, if any were. */
function more(leftOut: number): { readonly leftOut?: number } {
  return leftOut === 0 ? {} : { leftOut };
}
