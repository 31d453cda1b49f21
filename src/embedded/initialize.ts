import {
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { ConfigError } from '../core/errors.ts';
import { isRunning } from './leftover.ts';
import { run } from './process.ts';
import type { ServerUser } from './user.ts';

/**
 * Makes the data directory if it is missing. It is made beside its place and moved there when it is complete, so an unfinished one is
 * never used. Throws ConfigError if something else is in its place.
 */
export async function initialize(
  initdb: string,
  dataDirectory: string,
  user: ServerUser | undefined,
): Promise<void> {
  const owner = statSync(dataDirectory, { throwIfNoEntry: false })?.uid;
  const self = process.getuid?.();
  // Root runs the server as the owner. No other user can read the directory.
  if (owner !== undefined && self !== undefined && self !== 0 && owner !== self) {
    throw new ConfigError(`the data directory ${dataDirectory} belongs to another user (uid ${owner})`, {
      code: 'data-directory',
    });
  }
  if (existsSync(join(dataDirectory, 'PG_VERSION'))) return;
  if (owner !== undefined && readdirSync(dataDirectory).length > 0) {
    throw new ConfigError(`${dataDirectory} holds something else than a Postgres database`, {
      code: 'data-directory',
    });
  }

  removeUnfinished(dataDirectory);
  const unfinished = `${dataDirectory}.unfinished-${process.pid}`;
  mkdirSync(unfinished, { mode: 0o700 });
  if (user !== undefined) chownSync(unfinished, user.uid, user.gid);
  const options = ['--username=conductor', '--auth=trust', '--encoding=UTF8', '--locale=C', '--no-sync'];
  const { code, output } = await run(initdb, ['-D', unfinished, ...options], user).exited;
  if (code !== 0) throw new Error(`initdb failed\n${output}`);
  // One line in place of initdb's own lines, which also allow replication.
  writeFileSync(join(unfinished, 'pg_hba.conf'), 'host all all 127.0.0.1/32 trust\n');
  try {
    if (owner !== undefined) rmdirSync(dataDirectory);
    renameSync(unfinished, dataDirectory);
  } catch (error) {
    rmSync(unfinished, { recursive: true, force: true });
    // Another run was faster; its directory is as good as ours.
    if (!existsSync(join(dataDirectory, 'PG_VERSION'))) throw error;
  }
}

/** The unfinished folders of killed runs. */
function removeUnfinished(dataDirectory: string): void {
  const start = `${basename(dataDirectory)}.unfinished-`;
  for (const name of readdirSync(dirname(dataDirectory))) {
    if (!name.startsWith(start) || isRunning(Number(name.slice(start.length)))) continue;
    rmSync(join(dirname(dataDirectory), name), { recursive: true, force: true });
  }
}
