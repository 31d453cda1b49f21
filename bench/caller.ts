import { randomUUID } from 'node:crypto';
import { connect } from 'amqplib';

/** A caller in native form over RabbitMQ, with a fixed number of calls in flight. */

export interface CallOptions {
  readonly calls: number;
  readonly inFlight: number;
}

export interface CallFigures {
  /** Calls that have their result. */
  readonly answered: number;
  /** Answers after the first one of a call, and answers that are errors. */
  readonly surplus: number;
  readonly errors: number;
  readonly seconds: number;
  /** Milliseconds until the answer: the median and the 99th percentile. */
  readonly p50: number;
  readonly p99: number;
}

/** Milliseconds without any answer after which the unanswered calls count as lost. */
const patience = 10_000;

/** Calls `ping`. Resolves once all calls are answered, or no answer has come for long. */
export async function callMany(url: string, { calls, inFlight }: CallOptions): Promise<CallFigures> {
  const connection = await connect(url, { noDelay: true });
  const channel = await connection.createChannel();
  const { queue } = await channel.assertQueue('', { exclusive: true });
  const body = Buffer.from(JSON.stringify({ method: 'ping', args: {} }));
  const begun = new Map<string, number>();
  const times: number[] = [];
  let [sent, surplus, errors] = [0, 0, 0];
  const begin = performance.now();
  let last = begin;
  const callNext = () => {
    if (sent === calls) return;
    sent += 1;
    const correlationId = randomUUID();
    begun.set(correlationId, performance.now());
    channel.publish('conductor', 'conductor.caller', body, { replyTo: queue, correlationId });
  };
  await new Promise<void>((resolve, reject) => {
    const watch = setInterval(() => {
      if (performance.now() - last > patience) resolve();
    }, 1000);
    connection.on('close', () => clearInterval(watch));
    connection.on('error', reject);
    const receive = (message: { content: Buffer; properties: { correlationId?: unknown } } | null) => {
      if (message === null) return;
      last = performance.now();
      const id = String(message.properties.correlationId);
      const started = begun.get(id);
      if (started === undefined) surplus += 1;
      else times.push(last - started);
      begun.delete(id);
      if (!message.content.includes('"result"')) errors += 1;
      callNext();
      if (times.length === calls) resolve();
    };
    channel.consume(queue, receive, { noAck: true }).then(() => {
      for (let n = 0; n < inFlight; n += 1) callNext();
    }, reject);
  });
  const seconds = (last - begin) / 1000;
  await connection.close();
  times.sort((a, b) => a - b);
  const quantile = (part: number) => times[Math.floor((times.length - 1) * part)] ?? Number.NaN;
  return {
    answered: times.length - errors,
    surplus,
    errors,
    seconds,
    p50: quantile(0.5),
    p99: quantile(0.99),
  };
}
