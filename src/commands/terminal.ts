import { closeSync, openSync } from 'node:fs';

/**
 * The terminal that the replica was started on, if it was started on one. If its window is closed or its connection ends, the replica
 * stops in order. The kernel then sends SIGHUP, which otherwise asks for the configuration to be read anew.
 */
export class Terminal {
  private readonly wasThere = isThere();
  private hasStopped = false;

  constructor() {
    if (!this.wasThere) return;
    // A log line may come before the signal. Nobody can read it, and it may not end the process before its messages have been settled.
    process.stderr.on('error', (error) => {
      if (!this.isLost()) throw error;
    });
  }

  /** Whether the terminal has gone. Then the replica stops. */
  isLost(): boolean {
    if (!this.wasThere || isThere()) return false;
    // A second signal would end the process at once.
    if (!this.hasStopped) process.kill(process.pid, 'SIGTERM');
    this.hasStopped = true;
    return true;
  }
}

/** Whether the process has a controlling terminal. */
function isThere(): boolean {
  try {
    closeSync(openSync('/dev/tty', 'r'));
    return true;
  } catch {
    return false;
  }
}
