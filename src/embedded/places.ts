/**
 * Where the binaries and the data really lie. Usually where they are asked for; where the user that Postgres runs as
 * cannot get there, in folders under /var/tmp that we own and others may only enter.
 */
import { createHash } from 'node:crypto';
import {
  chmodSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { ConfigError, codeOf } from '../core/errors.ts';
import { blockedAbove, canUse, type ServerUser } from './user.ts';

/** The two programs that a private server needs, as absolute paths. */
export interface PostgresBinaries {
  readonly initdb: string;
  readonly postgres: string;
}

/** A folder, and a note for the user if it is not the requested one. */
export interface Placed<T> {
  readonly at: T;
  readonly note: string | undefined;
}

/** The binaries, copied (once, about 60 MB) to where the user can reach them if need be. */
export function placeBinaries(
  binaries: PostgresBinaries,
  user: ServerUser | undefined,
): Placed<PostgresBinaries> {
  const real = { initdb: realpathSync(binaries.initdb), postgres: realpathSync(binaries.postgres) };
  const folder = dirname(dirname(real.postgres));
  const parts = [real.postgres, join(folder, 'lib'), join(folder, 'share')].filter(existsSync);
  if (user === undefined || parts.every((part) => canUse(user, part))) return { at: real, note: undefined };

  const { size, mtimeMs } = statSync(real.postgres);
  const key = digest(`${folder} ${size} ${mtimeMs}`);
  const copy = join(ownFolder(ownFolderPath(`conductor-postgres-${key}`)), basename(folder));
  copyOnce(folder, copy);
  const moved = (program: string) => join(copy, 'bin', basename(program));
  return {
    at: { initdb: moved(real.initdb), postgres: moved(real.postgres) },
    note: `Postgres runs as ${user.name}, who may not enter ${folder}: it is copied to ${copy}`,
  };
}

/** Several processes may do this at the same time: each makes its own copy, and one of them gets into place. */
function copyOnce(folder: string, copy: string): void {
  // Something that tidies up /var/tmp may have taken a part of an earlier copy: then there are fewer files.
  const complete = () => fileCount(copy) === fileCount(folder);
  if (complete()) return;
  const unfinished = `${copy}.${process.pid}`;
  cpSync(folder, unfinished, { recursive: true, verbatimSymlinks: true });
  openToAll(unfinished);
  putInPlace(unfinished, copy, complete);
}

/**
 * Puts a folder in its place, unless another process has been faster: what it has put there it may be using by now, so that is
 * not touched if it is complete. One that is not makes way.
 */
export function putInPlace(made: string, place: string, complete: () => boolean): void {
  const old = `${made}.old`;
  while (!couldMove(made, place, 'ENOTEMPTY', 'EEXIST')) {
    if (complete()) {
      rmSync(made, { recursive: true });
      break;
    }
    couldMove(place, old, 'ENOENT');
    rmSync(old, { recursive: true, force: true });
  }
}

/** Moves a folder. False if another process may have made the move fail. */
function couldMove(from: string, to: string, ...codes: string[]): boolean {
  try {
    renameSync(from, to);
    return true;
  } catch (error) {
    if (!codes.includes(codeOf(error) ?? '')) throw error;
    return false;
  }
}

/** The data directory's real path. Where the user cannot get to it, it becomes a link to one under /var/tmp. */
export function placeData(wanted: string, user: ServerUser | undefined): Placed<string> {
  mkdirSync(dirname(wanted), { recursive: true });
  const path = join(realpathSync(dirname(wanted)), basename(wanted));
  const found = lstatSync(path, { throwIfNoEntry: false });
  const real = existsSync(path) ? realpathSync(path) : path;
  if (user === undefined) return { at: real, note: undefined };

  const elsewhere = join(ownFolderPath(`conductor-${digest(path)}`), 'data');
  const blocked = blockedAbove(user, real);
  const linked = found?.isSymbolicLink() && readlinkSync(path) === elsewhere;
  if (blocked === undefined && !linked) return { at: real, note: undefined };
  if (!linked && found !== undefined && !isEmptyDirectory(real)) {
    throw new ConfigError(
      `Postgres runs as ${user.name}, who may not enter ${blocked}, and ${path} exists already: ` +
        'let others enter that folder, or move the data directory',
    );
  }
  ownFolder(dirname(elsewhere));
  if (!linked) {
    rmSync(path, { recursive: true, force: true });
    symlinkSync(elsewhere, path);
  }
  const why = `Postgres runs as ${user.name}, who may not enter ${dirname(path)}`;
  return { at: elsewhere, note: `${why}: the data is kept in ${elsewhere}` };
}

/** Other users may enter it and not write to it, so Postgres finds our files unchanged. */
function ownFolder(path: string): string {
  mkdirSync(path, { recursive: true, mode: 0o711 });
  const { uid, mode } = lstatSync(path);
  // Anybody may make folders under /var/tmp: programs or data that somebody else put there are not for us to use.
  if (!lstatSync(path).isDirectory() || uid !== process.getuid?.() || (mode & 0o022) !== 0) {
    throw new ConfigError(`${path} was not made by this program, or others can write to it: remove it`);
  }
  // Where the umask is stricter than usual.
  chmodSync(path, 0o711);
  return path;
}

/** /var/tmp rather than /tmp: it is kept over a restart of the machine. */
function ownFolderPath(name: string): string {
  return join(existsSync('/var/tmp') ? '/var/tmp' : tmpdir(), name);
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 12);
}

function isEmptyDirectory(path: string): boolean {
  return existsSync(path) && statSync(path).isDirectory() && readdirSync(path).length === 0;
}

function fileCount(folder: string): number {
  return existsSync(folder) ? readdirSync(folder, { recursive: true }).length : 0;
}

/** Readable for all, runnable for all where it was for us: the sources may have been installed under a strict umask. */
function openToAll(folder: string): void {
  chmodSync(folder, 0o755);
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (entry.isSymbolicLink()) continue;
    const path = join(entry.parentPath, entry.name);
    chmodSync(path, (statSync(path).mode & 0o100) === 0 ? 0o644 : 0o755);
  }
}
