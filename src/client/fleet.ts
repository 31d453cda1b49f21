import { createHistogram, type RecordableHistogram } from 'node:perf_hooks';
import { pause } from '../core/backoff.ts';
import type { ConfiguredTransport } from '../core/config/transport-kind.ts';
import { messageOf } from '../core/errors.ts';
import type { Logger } from '../core/logger.ts';
import { Client } from './client.ts';

export interface Simulation {
  readonly transport: ConfiguredTransport;
  readonly guests: number;
  /** Seconds between two heartbeats of a guest, as long as the conductor has not said how often. */
  readonly interval: number;
  /** Whether the conductor is asked, and followed. */
  readonly paced: boolean;
  /** The part of the interval by which it varies. */
  readonly jitter: number;
  /** The part of the guests that fall silent for good, at some moment of the run. */
  readonly die: number;
  readonly prefix: string;
  readonly connections: number;
  /** Seconds. Without it the fleet runs until it is interrupted. */
  readonly seconds: number | undefined;
  readonly interrupted: AbortSignal;
  readonly logger: Logger;
  /** Takes lines about its progress. */
  readonly print: (text: string) => void;
}

/** What became of a fleet. */
export interface SimulationReport {
  readonly transport: string;
  readonly guests: number;
  /** Seconds between two heartbeats of a guest, in the end. */
  readonly interval: number;
  /** Seconds that it ran. */
  readonly seconds: number;
  readonly cast: number;
  /** Heartbeats that the broker has. */
  readonly sent: number;
  readonly superseded: number;
  readonly died: number;
  /** Counts by error text. */
  readonly failed: Readonly<Record<string, number>>;
  /** Milliseconds from the cast to the broker's confirmation; null if there was none. */
  readonly confirmed: { readonly p50: number; readonly p99: number; readonly max: number } | null;
}

interface Tally {
  cast: number;
  sent: number;
  superseded: number;
  died: number;
  /** Counts by error text. Bounded, because error texts name no message. */
  readonly failed: Map<string, number>;
  /** Microseconds from the cast to the broker's confirmation. */
  readonly latency: RecordableHistogram;
}

/** Seconds between two lines of progress, and from the last heartbeat until the broker is given up. */
const reportEvery = 10;
const patience = 10;
/** Seconds between two questions how often to send. */
const askEvery = 60;
/** Seconds within which guests fall silent if the run has no end. */
const lifetime = 600;
/** The longest time of a timer, in milliseconds. */
const longestTimer = 2 ** 31 - 1;
const maxFailures = 20;

/**
 * Runs a fleet of guests that cast heartbeats, spread evenly over the interval, until the time is over. Rejects with ConfigError if the
 * transport cannot work.
 */
export async function simulate(simulation: Simulation): Promise<SimulationReport> {
  const { guests, interrupted, seconds, print } = simulation;
  const clients = await connect(simulation);
  const pace = { interval: simulation.interval };
  const over =
    seconds === undefined
      ? interrupted
      : AbortSignal.any([interrupted, AbortSignal.timeout(Math.min(seconds * 1000, longestTimer))]);
  const follow = () => ask(clients[0], pace, print, over);
  if (simulation.paced) await follow();
  const tally: Tally = {
    cast: 0,
    sent: 0,
    superseded: 0,
    died: 0,
    failed: new Map(),
    latency: createHistogram(),
  };
  const begin = performance.now();
  const elapsed = () => (performance.now() - begin) / 1000;
  const digits = String(guests).length;
  const lives = Array.from({ length: guests }, (_, index) => {
    const id = `${simulation.prefix}${String(index + 1).padStart(digits, '0')}`;
    const client = clients[index % clients.length];
    return client === undefined ? Promise.resolve() : live(client, id, index, simulation, pace, tally, over);
  });
  const reporting = report(over, () =>
    print(`${elapsed().toFixed(0)} s: ${describe(tally, confirmedIn(tally))}`),
  );
  const asking = simulation.paced ? eachMinute(follow, over) : undefined;
  await Promise.all([...lives, reporting, asking]);
  const took = elapsed();
  await Promise.all(clients.map((client) => client.close({ deadline: patience * 1000 })));
  return reportOf(simulation, pace.interval, tally, took);
}

async function connect({ transport, connections, guests, logger }: Simulation): Promise<Client[]> {
  const count = Math.min(connections, guests);
  const clients = Array.from({ length: count }, (_, index) => {
    // At most one heartbeat of a guest waits, since a newer one replaces it.
    const maxBuffered = Math.ceil(guests / count) * 2;
    return new Client(transport, { sender: `simulate-${index + 1}`, maxBuffered }, logger);
  });
  await Promise.all(clients.map((client) => client.start()));
  return clients;
}

/** Asks the conductor how often to send. Never rejects. */
async function ask(
  client: Client | undefined,
  pace: { interval: number },
  print: (text: string) => void,
  over: AbortSignal,
): Promise<void> {
  try {
    const answer = await client?.heartbeatInterval({ timeout: patience * 1000, signal: over });
    if (answer !== undefined) pace.interval = Math.max(0.001, answer.interval);
  } catch (error) {
    if (!over.aborted) print(`the conductor does not say how often to send: ${messageOf(error)}`);
  }
}

/** Repeats a step each minute. */
async function eachMinute(step: () => Promise<void>, over: AbortSignal): Promise<void> {
  for (;;) {
    await pause(askEvery * 1000, over);
    if (over.aborted) return;
    await step();
  }
}

async function live(
  client: Client,
  id: string,
  index: number,
  { guests, jitter, die, seconds = lifetime }: Simulation,
  pace: { readonly interval: number },
  tally: Tally,
  over: AbortSignal,
): Promise<void> {
  // Evenly among the guests, however many there are.
  const mortal = Math.floor((index + 1) * die) > Math.floor(index * die);
  // In the first 95 % of the run, so that each is seen to be silent.
  const life = Math.random() * 950 * seconds;
  const death = mortal ? performance.now() + life : Number.POSITIVE_INFINITY;
  await pause((index / guests) * pace.interval * 1000, over);
  while (!over.aborted) {
    void beat(client, id, tally);
    const next = pace.interval * 1000 * (1 + (Math.random() - 0.5) * jitter);
    const left = death - performance.now();
    await pause(Math.max(0, Math.min(next, left, longestTimer)), over);
    if (left <= next && !over.aborted) {
      tally.died += 1;
      return;
    }
  }
  // The end of the run may come before the timer of a guest whose time was over: timers are late on a busy machine.
  if (performance.now() >= death) tally.died += 1;
}

/** Never rejects. */
async function beat(client: Client, id: string, tally: Tally): Promise<void> {
  const begin = performance.now();
  tally.cast += 1;
  try {
    const payload = { service_status: Math.random() < 0.1 ? 'healthy' : 'running' } as const;
    const result = await client.cast('heartbeat', { instance_id: id, payload }, { sender: id });
    tally[result] += 1;
    if (result === 'sent') tally.latency.record(Math.max(1, Math.round((performance.now() - begin) * 1000)));
  } catch (error) {
    const text = messageOf(error);
    const key = tally.failed.has(text) || tally.failed.size < maxFailures ? text : 'others';
    tally.failed.set(key, (tally.failed.get(key) ?? 0) + 1);
  }
}

async function report(over: AbortSignal, print: () => void): Promise<void> {
  for (;;) {
    await pause(reportEvery * 1000, over);
    if (over.aborted) return;
    print();
  }
}

function describe(
  { cast, sent, superseded, died }: Pick<Tally, 'cast' | 'sent' | 'superseded' | 'died'>,
  confirmed: SimulationReport['confirmed'],
): string {
  const parts = [`${cast} heartbeats cast`, `${sent} on the broker`];
  if (superseded > 0) parts.push(`${superseded} superseded`);
  if (died > 0) parts.push(`${died} guests died`);
  if (confirmed === null) return parts.join(', ');
  const { p50, p99, max } = confirmed;
  parts.push(
    `confirmed within ${p50.toFixed(1)} ms (half), ${p99.toFixed(1)} ms (99 %), ${max.toFixed(1)} ms (all)`,
  );
  return parts.join(', ');
}

function confirmedIn({ latency }: Pick<Tally, 'latency'>): SimulationReport['confirmed'] {
  if (latency.count === 0) return null;
  const milliseconds = (microseconds: number) => microseconds / 1000;
  return {
    p50: milliseconds(latency.percentile(50)),
    p99: milliseconds(latency.percentile(99)),
    max: milliseconds(latency.max),
  };
}

function reportOf(
  { guests, transport }: Simulation,
  interval: number,
  { latency, failed, ...counts }: Tally,
  seconds: number,
): SimulationReport {
  return {
    transport: transport.name,
    guests,
    interval,
    seconds,
    ...counts,
    failed: Object.fromEntries(failed),
    confirmed: confirmedIn({ latency }),
  };
}

/** A report in words. */
export function summaryOf(report: SimulationReport): string {
  const { guests, transport, interval, seconds, sent, failed, confirmed } = report;
  const rate = (sent / seconds).toFixed(1);
  const lines = [
    `${guests} guests at ${interval} s on ${transport} for ${seconds.toFixed(1)} s: ${rate} heartbeats/s`,
    describe(report, confirmed),
    ...Object.entries(failed).map(([error, count]) => `${count} failed: ${error}`),
  ];
  return lines.join('\n');
}
