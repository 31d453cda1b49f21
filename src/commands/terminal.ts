import { closeSync, openSync } from 'node:fs';

/**
 * Whether the process was started on a terminal that is gone: its window was closed, or its connection was lost. The kernel then sends
 * SIGHUP, which otherwise asks for the configuration to be read anew.
 */
export function isTerminalLost(): boolean {
  if (!process.stdin.isTTY && !process.stderr.isTTY) return false;
  try {
    closeSync(openSync('/dev/tty', 'r'));
    return false;
  } catch {
    return true;
  }
}
