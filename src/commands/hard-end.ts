import { settledBy } from '../core/deadline.ts';
import { messageOf } from '../core/errors.ts';
import type { Logger } from '../core/logger.ts';

/** Milliseconds in which a process that ends at once may give its messages back. */
const patience = 500;

/** Characters of an error's text in the log. A library may quote what it was given. */
const longestText = 1000;

/** Lines of a stack in the log. */
const longestStack = 12;

/** Ends the process in the middle of its work: with exit code 1, after its messages have been given back. */
export class HardEnd {
  /** Gives messages back. Must not reject. Does nothing before there are any. */
  release: () => Promise<void> = () => Promise.resolve();
  private hasBegun = false;

  /** Whether the process is about to end. Then no other end counts. */
  get begun(): boolean {
    return this.hasBegun;
  }

  /** Gives the messages back and ends the process, within `patience`. A second call ends it without waiting. */
  now(): void {
    if (this.hasBegun) process.exit(1);
    this.hasBegun = true;
    void settledBy(this.release(), AbortSignal.timeout(patience)).then(() => process.exit(1));
  }

  /** Makes an exception or a rejection that nobody handles end the process, with one line in the log. */
  uponFaults(logger: Logger): void {
    // Without a listener of their own, rejections come here too.
    process.on('uncaughtException', (error: unknown, origin) => {
      // Such as a log that cannot be written.
      if (this.hasBegun) process.exit(1);
      logger.fatal(
        { code: 'fault', error: messageOf(error).slice(0, longestText), origin, stack: framesOf(error) },
        'the replica ends because of an error that it does not know: its messages go back to the brokers. Please report this line',
      );
      this.now();
    });
  }
}

/** Where the error was thrown, without its text. */
function framesOf(error: unknown): ReadonlyArray<string> {
  const stack = error instanceof Error ? (error.stack ?? '') : '';
  return stack
    .split('\n')
    .filter((line) => /^\s+at /.test(line))
    .slice(0, longestStack)
    .map((line) => line.trim());
}
