import type { TransportSetup } from '../../core/config/transport-kind.ts';
import type { TraceContext } from '../../core/message/trace-context.ts';
import type { Deliver, DeliveryMeta, Session } from '../../core/transport/contract.ts';
import type { Amqp10Connection } from './connect.ts';
import { warnOfForgery } from './losses.ts';
import type { Amqp10Options } from './options.ts';
import type { DecodedMessage } from './read-message.ts';
import { readTrace } from './read-trace.ts';
import { Amqp10Session } from './session.ts';

/** The bound on unsettled deliveries; more than any broker sends at once. */
const maxBound = 65_535;

/** Starts consuming. Rejects with ConfigError if the broker refuses it for good, otherwise with NotConnected. */
export async function beginSession(
  connection: Amqp10Connection,
  options: Amqp10Options,
  { share, logger, readsTrace }: TransportSetup,
  deliver: Deliver,
): Promise<Session> {
  warnOfForgery(connection.broker, options, logger);
  // Without `readsTrace` the session does no work for traces at all.
  const Own = readsTrace === true ? TracedSession : Amqp10Session;
  const session = new Own(connection, options, Math.min(share.messages, maxBound), deliver);
  await session.start();
  return session;
}

/** Reads the context of the sender's span too. */
class TracedSession extends Amqp10Session {
  /** Of the message that is being received. */
  private trace: TraceContext | undefined;

  protected override receive(bytes: Buffer, start: number, end: number, id: number | undefined): void {
    this.trace = readTrace(bytes, start, end);
    super.receive(bytes, start, end, id);
  }

  protected override metaOf(decoded: DecodedMessage): DeliveryMeta {
    const meta = super.metaOf(decoded);
    const { trace } = this;
    return trace === undefined ? meta : { ...meta, trace };
  }
}
