/**
 * Postgres refuses to run as root. So root runs it as an ordinary user, who may have no access to root's folders (a clone in /root, mode
 * 700). This file finds that user, and says which paths the user can reach.
 */
import { readFileSync, realpathSync, type Stats, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { ConfigError } from '../core/errors.ts';

/** The user that Postgres runs as; `name` is for messages. */
export interface ServerUser {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

/**
 * The user to run Postgres as; undefined if we are an ordinary user ourselves, who cannot become another. If an ordinary user owns the
 * data, it is that user, so that the owner and root can take turns.
 * Throws ConfigError if there is no such user.
 */
export function serverUser(dataDirectory: string): ServerUser | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const accounts = readAccounts();
  const owner = statSync(dataDirectory, { throwIfNoEntry: false });
  if (owner !== undefined && owner.uid !== 0) {
    const account = accounts.find(({ uid }) => uid === owner.uid);
    return account ?? { name: `user ${owner.uid}`, uid: owner.uid, gid: owner.gid };
  }
  const account = ['postgres', 'nobody'].flatMap((name) => accounts.filter((one) => one.name === name))[0];
  if (account !== undefined) return account;
  throw new ConfigError(
    'Postgres does not run as root, and this machine has neither a user postgres nor a user nobody to run it as',
    { code: 'data-directory' },
  );
}

/** The topmost folder above `realPath` that the user may not enter. The path has no links left in it. */
export function blockedAbove(user: ServerUser, realPath: string): string | undefined {
  const folders: string[] = [];
  for (let folder = dirname(realPath); folders[0] !== folder; folder = dirname(folder))
    folders.unshift(folder);
  return folders.find((folder) => !allows(user, statSync(folder), 0o1));
}

/** Whether the user may read and run this file, or read and enter this folder, and all folders above it. */
export function canUse(user: ServerUser, path: string): boolean {
  return allows(user, statSync(path), 0o5) && blockedAbove(user, realpathSync(path)) === undefined;
}

/** Ignores access lists. If they forbid more than the mode bits, Postgres reports it. */
function allows(user: ServerUser, { uid, gid, mode }: Stats, wanted: number): boolean {
  if (user.uid === uid) return ((mode >> 6) & wanted) === wanted;
  if (user.gid === gid) return ((mode >> 3) & wanted) === wanted;
  return (mode & wanted) === wanted;
}

function readAccounts(): ServerUser[] {
  return readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'))
    .map(([name = '', , uid, gid]) => ({ name, uid: Number(uid), gid: Number(gid) }))
    .filter(({ name, uid, gid }) => name !== '' && Number.isInteger(uid) && Number.isInteger(gid));
}
