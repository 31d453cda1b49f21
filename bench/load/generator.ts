import { setTimeout as sleep } from 'node:timers/promises';
import type { BenchTransport } from '../brokers/index.ts';
import { now } from '../clock.ts';
import { answer } from '../run/child.ts';
import { Bodies, type BodiesOptions, type Mix } from './bodies.ts';
import { Caller } from './caller.ts';
import { Pace } from './pace.ts';
import type { Destination } from './publisher.ts';
import { openPublisher } from './publishers/index.ts';
import { SealedBodies } from './sealed-bodies.ts';
import { SignedBodies } from './signed-bodies.ts';

/** A process that sends an open-loop load. */

export interface GeneratorTask extends BodiesOptions {
  readonly transport: BenchTransport;
  readonly destination: Destination;
  readonly mix: Mix;
  /** By what a message proves its sender: in Trove's encrypted form, signed, or not by its body. */
  readonly proof: 'trove' | 'hmac' | undefined;
  /** The transport's entry of the configuration, by which calls are made. */
  readonly entry: Readonly<Record<string, unknown>>;
}

/** One load: so many messages at a rate, from a time on. */
export interface Volley {
  /** Milliseconds since the epoch. */
  readonly at: number;
  /** Messages a second; null: all at once. */
  readonly rate: number | null;
  readonly messages: number;
}

export interface VolleyResult {
  readonly casts: number;
  readonly confirmed: number;
  readonly refused: number;
  /** Milliseconds from the time a call was due to its answer, with the time it was due. */
  readonly calls: ReadonlyArray<readonly [due: number, milliseconds: number]>;
  readonly callErrors: number;
  /** Milliseconds since the epoch: when the last message was confirmed. */
  readonly endedAt: number;
  readonly cpuMicroseconds: number;
}

/** Messages that are sent without looking at the socket in between. */
const turn = 500;

/** Milliseconds that confirmations may take after the last message. */
const patience = 30_000;

answer(async (task: GeneratorTask) => {
  const publisher = await openPublisher[task.transport](task.destination);
  const bodies = bodiesOf(task);
  const caller = task.mix.call > 0 ? await Caller.open(task.entry) : undefined;
  const kinds = cycleOf(task.mix);
  return {
    async run({ at, rate, messages }: Volley): Promise<VolleyResult> {
      const pace = new Pace(at, rate ?? Number.POSITIVE_INFINITY, messages);
      const before = {
        confirmed: publisher.confirmations.confirmed,
        refused: publisher.confirmations.refused,
        cpu: process.cpuUsage(),
      };
      let casts = 0;
      while (!pace.isDone) {
        let left = Math.min(pace.due(now()), turn);
        for (; left > 0 && publisher.hasRoom; left -= 1) {
          const kind = kinds[pace.taken % kinds.length] ?? 'heartbeat';
          const due = pace.take();
          if (kind === 'call') {
            caller?.call(due);
            continue;
          }
          const { body, sender } = bodies.next(kind, due);
          publisher.send(body, sender);
          casts += 1;
        }
        // A timer of one millisecond is the shortest. Without one, the process would use a whole core.
        await sleep(1);
      }
      const last = now() + patience;
      const open = () =>
        casts -
        (publisher.confirmations.confirmed - before.confirmed) -
        (publisher.confirmations.refused - before.refused);
      while (open() > 0 && now() < last) await sleep(1);
      const endedAt = now();
      const calls = (await caller?.finish()) ?? { done: [], errors: 0 };
      const { user, system } = process.cpuUsage(before.cpu);
      return {
        casts,
        confirmed: publisher.confirmations.confirmed - before.confirmed,
        refused: publisher.confirmations.refused - before.refused,
        calls: calls.done,
        callErrors: calls.errors,
        endedAt,
        cpuMicroseconds: user + system,
      };
    },
    async stop() {
      await caller?.close();
      await publisher.close();
    },
  };
});

function bodiesOf(task: GeneratorTask): Pick<Bodies, 'next'> {
  if (task.proof === 'trove') return new SealedBodies(task);
  return task.proof === 'hmac' ? new SignedBodies(task) : new Bodies(task);
}

/** Kinds of messages in their shares, evenly: a hundred in turn. */
function cycleOf(mix: Mix): ReadonlyArray<keyof Mix> {
  const owed = { heartbeat: 0, backup: 0, call: 0 };
  return Array.from({ length: 100 }, () => {
    for (const kind of ['heartbeat', 'backup', 'call'] as const) owed[kind] += mix[kind];
    const next = (['call', 'backup', 'heartbeat'] as const).find((kind) => owed[kind] >= 1) ?? 'heartbeat';
    owed[next] -= 1;
    return next;
  });
}
