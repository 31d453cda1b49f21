import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Delivery, Session } from '../core/transport/contract.ts';
import type { Offer, Opened, Subject, Test } from './subject.ts';

/** One duty of a transport. */
export type ConformanceCase =
  | {
      readonly title: string;
      /** Resolves if the transport fulfils it; rejects with the transport's actual behaviour. */
      readonly run: () => Promise<void>;
      readonly skip?: undefined;
    }
  | { readonly title: string; readonly skip: string; readonly run?: undefined };

/** A case that runs with a test of its own. The test cleans up in any case. */
export function caseOf(title: string, run: (t: Test) => Promise<void>): ConformanceCase {
  return {
    title,
    run: async () => {
      const ends: (() => Promise<unknown> | unknown)[] = [];
      try {
        await run({ teardown: (end) => void ends.unshift(end) });
      } finally {
        for (const end of ends) await end();
      }
    },
  };
}

/** A case for subjects that have `open`. For the others it is skipped, with the reason. */
export function offered<Opening>(
  subject: Subject,
  offer: Offer,
  open: ((t: Test) => Promise<Opening>) | undefined,
  title: string,
  run: (opened: Opening, t: Test) => Promise<void>,
): ConformanceCase {
  if (open === undefined || subject.lacks?.[offer] !== undefined)
    return { title, skip: subject.lacks?.[offer] ?? `the subject does not offer ${offer}` };
  return caseOf(title, async (t) => run(await open.call(subject, t), t));
}

/** Milliseconds that a broker may take for any operation. */
const patience = 10_000;

export const soon = () => AbortSignal.timeout(5000);

/** Resolves once the condition is met. Rejects with its name after the timeout, by default ten seconds. */
export async function until(what: string, condition: () => boolean, timeout = patience): Promise<void> {
  const deadline = performance.now() + timeout;
  while (!condition()) {
    if (performance.now() > deadline) assert.fail(`waited in vain for ${what}`);
    await sleep(5);
  }
}

/** A session with its deliveries. */
export interface Consumer {
  readonly session: Session;
  readonly deliveries: Delivery[];
}

export interface ConsumeOptions {
  readonly bound?: number;
  readonly bytes?: number;
  readonly accept?: (delivery: Delivery) => boolean;
  readonly replica?: string;
}

/** Connects a replica that takes all accepted deliveries and settles none by itself. */
export async function consume(
  opened: Pick<Opened, 'transport'>,
  { bound = 100, accept = () => true, replica = 'one', bytes }: ConsumeOptions = {},
): Promise<Consumer> {
  const deliveries: Delivery[] = [];
  const session = await opened.transport(bound, replica, bytes).connect((delivery) => {
    if (!accept(delivery)) return false;
    deliveries.push(delivery);
    return true;
  });
  return { session, deliveries };
}

/** `message 0`, `message 1` ... */
export async function publish(opened: Opened, count: number, from = 0): Promise<void> {
  for (const text of numbered(count, from)) await opened.publish('guest', Buffer.from(text));
}

export const texts = (deliveries: ReadonlyArray<Delivery>): string[] =>
  deliveries.map(({ body }) => Buffer.from(body).toString());

export const numbered = (count: number, from = 0): string[] =>
  Array.from({ length: count }, (_, number) => `message ${from + number}`);

export function arrive(deliveries: ReadonlyArray<Delivery>, count: number): Promise<void> {
  return until(`${count} deliveries`, () => deliveries.length >= count);
}

/** Settles all deliveries and stops in good order. */
export async function finish({ session, deliveries }: Consumer): Promise<void> {
  session.settle(deliveries, 'done');
  await session.stop(soon());
}

/** Resolves with the error that ended the session. Rejects if the session goes on, or has no error. */
export async function endOf({ session }: { readonly session: Pick<Session, 'closed'> }): Promise<Error> {
  let end: { readonly error: Error | undefined } | undefined;
  void session.closed.then((error) => {
    end = { error };
  });
  await until('the session to end', () => end !== undefined);
  assert.ok(end?.error instanceof Error, 'a session that nobody has asked to end has an error');
  return end.error;
}

/** All of these messages come. Those that were settled when the session ended may come again with them, and no others. */
export async function comeAgain({ deliveries }: Consumer, expected: ReadonlyArray<string>): Promise<void> {
  await until(`${expected.length} messages to come again`, () =>
    expected.every((one) => texts(deliveries).includes(one)),
  );
  assertSame([...new Set(texts(deliveries))], texts(deliveries));
}

/** All of these messages are there, in any order. Some may be there twice if a session ended while it had them. */
export function assertSame(actual: ReadonlyArray<string>, expected: ReadonlyArray<string>): void {
  assert.deepEqual([...actual].sort(), [...expected].sort());
}

/** No more messages come. This is known once a message that was published last has come. */
export async function expectOnly(opened: Opened, expected: ReadonlyArray<string>): Promise<void> {
  const consumer = await consume(opened);
  await opened.publish('guest', Buffer.from('the last'));
  await until('the last message', () => texts(consumer.deliveries).includes('the last'));
  assertSame(texts(consumer.deliveries), [...expected, 'the last']);
  await finish(consumer);
}
