import { closeSync, openSync } from 'node:fs';

/**
 * Whether the process has a terminal that controls it. One that it was started on is lost if its window was closed or its connection
 * has ended. The kernel then sends SIGHUP, which otherwise asks for the configuration to be read anew.
 */
export function hasTerminal(): boolean {
  try {
    closeSync(openSync('/dev/tty', 'r'));
    return true;
  } catch {
    return false;
  }
}
