/**
 * The codes of Trove's statuses, as the sweep sees them (workers/methods/statuses.ts has all of them). A status that says more than
 * "alive" stays: paused, shutdown, deleted, crashed, failed to spawn, guestagent error, restart required.
 */
export const sweepStatuses = {
  /** running, blocked, promoting replica, ejecting replica source, transferring guest logs, instance ready, healthy, upgrading. */
  alive: [0x01, 0x02, 0x10, 0x11, 0x12, 0x19, 0x21, 0x22],
  /** building, new: the guest may not report yet. */
  building: [0x09, 0x17],
  unknown: { id: 0x16, description: 'unknown' },
  failed: { id: 0x18, description: 'guestagent error' },
} as const;
