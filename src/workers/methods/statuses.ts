/** A service status of Trove (trove/instance/service_status.py, `ServiceStatuses`). */
export interface Status {
  readonly id: number;
  readonly description: string;
}

const words: ReadonlyArray<readonly [id: number, description: string]> = [
  [0x01, 'running'],
  [0x02, 'blocked'],
  [0x03, 'paused'],
  [0x04, 'shutdown'],
  [0x05, 'deleted'],
  [0x06, 'crashed'],
  [0x08, 'failed to spawn'],
  [0x09, 'building'],
  [0x10, 'promoting replica'],
  [0x11, 'ejecting replica source'],
  [0x12, 'transferring guest logs'],
  [0x16, 'unknown'],
  [0x17, 'new'],
  [0x18, 'guestagent error'],
  [0x19, 'instance ready'],
  [0x20, 'restart required'],
  [0x21, 'healthy'],
  // One code has two words. Trove's lookup knows only the later one and fails on the first.
  [0x22, 'upgrading'],
  [0x22, 'restarting'],
];

/** By the word that a guest sends. A Map, since a word such as "constructor" must not be found on a prototype. */
export const statuses: ReadonlyMap<string, Status> = new Map(
  words.map(([id, description]) => [description, { id, description }]),
);

/** The control plane sets it when a restart is due. No heartbeat overwrites it. */
export const restartRequired = 0x20;

/** The status of an instance whose guest has not reported yet. */
export const newStatus: Status = { id: 0x17, description: 'new' };
