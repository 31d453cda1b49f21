import { hostname, userInfo } from 'node:os';

/** Who runs the command: `user@host`. */
export function operator(): string {
  let user = 'unknown';
  try {
    user = userInfo().username;
  } catch {
    // A container may run with a number that belongs to no user.
    user = String(process.getuid?.() ?? user);
  }
  return `${user}@${hostname()}`;
}
