/** Shows the demo's figures until it ends: drawn in place on a terminal, otherwise as a line now and then. */
import { pause } from '../core/backoff.ts';
import { render, renderLine } from './summary.ts';
import type { Readings } from './summary-readings.ts';
import { Screen, type Terminal } from './summary-screen.ts';

/** Milliseconds between two readings. */
const every = { terminal: 500, elsewhere: 2000 };

export interface ShowOptions {
  readonly output: Terminal & { readonly isTTY?: boolean };
  /** Whether the output takes colours. */
  readonly colours: boolean;
  readonly read: () => Promise<Readings>;
  /** Seconds after which the demo ends by itself, if it does. */
  readonly until: number | undefined;
  readonly over: AbortSignal;
}

/** Resolves at the end. The last figures stay on the screen. */
export async function show({ output, colours, read, until, over }: ShowOptions): Promise<void> {
  if (output.isTTY !== true) {
    while (!over.aborted) {
      output.write(`${renderLine(await read())}\n`);
      await pause(every.elsewhere, over);
    }
    return;
  }
  const screen = new Screen(output, colours);
  const end = () => screen.end();
  // A second Ctrl-C ends the process at once. The terminal must get its cursor back even then.
  process.once('exit', end);
  try {
    while (!over.aborted) {
      screen.draw(render(await read(), screen.columns, until));
      await pause(every.terminal, over);
    }
  } finally {
    process.off('exit', end);
    end();
  }
}
