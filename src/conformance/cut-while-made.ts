import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { within } from '../core/deadline.ts';
import { NotConnected } from '../core/errors.ts';
import { endOf } from './harness.ts';
import type { Network } from './subject.ts';

/** Milliseconds after the first step of connecting, at which the connection is cut. */
const moments = [0, 1, 2, 5, 10, 20, 50];

/** More chunks than any transport sends until it is connected. */
const maxChunks = 500;

/** Milliseconds that an attempt may take. */
const patience = 10_000;

/** A session of either side. */
interface Ending {
  readonly closed: Promise<Error | undefined>;
}

/** Cuts each attempt to connect a little later than the one before. Each is NotConnected, or makes a session that ends. */
export async function cutWhileMade(network: Network, connect: () => Promise<Ending>): Promise<void> {
  for (const moment of moments) {
    const connecting = attempt(connect);
    await sleep(moment);
    network.cut();
    await assertCut(network, await connecting, `cut after ${moment} ms`);
  }
  if (network.cutAfter === undefined) return;
  for (let chunks = 1; ; chunks += 1) {
    assert.ok(chunks <= maxChunks, `it is not connected after ${maxChunks} chunks`);
    network.cutAfter(chunks);
    const made = await attempt(connect);
    await assertCut(network, made, `cut behind chunk ${chunks}`);
    if (!(made instanceof Error)) break;
  }
  network.cutAfter(Number.POSITIVE_INFINITY);
}

function attempt(connect: () => Promise<Ending>): Promise<Ending | Error> {
  return within(connect(), patience).catch((error: Error) => error);
}

async function assertCut(network: Network, made: Ending | Error, what: string): Promise<void> {
  if (made instanceof Error) {
    assert.ok(made instanceof NotConnected, `${what}: ${made}`);
    return;
  }
  // The cut came before the first step, or it is still to come.
  network.cut();
  await endOf({ session: made });
}
