/**
 * The real folders of the binaries and the data. Usually these are the requested ones. If the user that Postgres runs as cannot reach
 * them, they are folders under /var/tmp that we own and others may only enter.
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

/** The binaries; if the user cannot reach them, a copy of them (about 60 MB, made once). */
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

/** Several processes may do this at once: each makes a copy of its own, and one copy is moved into place. */
function copyOnce(folder: string, copy: string): void {
  // A tidying job may have removed a part of an earlier copy from /var/tmp. Then it has fewer files.
  const complete = () => fileCount(copy) === fileCount(folder);
  if (complete()) return;
  const unfinished = `${copy}.${process.pid}`;
  cpSync(folder, unfinished, { recursive: true, verbatimSymlinks: true });
  openToAll(unfinished);
  putInPlace(unfinished, copy, complete);
}

/**
 * Moves a folder into its place, unless another process was faster. A complete folder there may be in use, so it is not touched. An
 * incomplete one is removed.
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

/** The data directory's real path. If the user cannot reach it, it becomes a link to a directory under /var/tmp. */
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
      { code: 'data-directory' },
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

/** A folder that other users may enter and not write to, so they cannot change our files. */
function ownFolder(path: string): string {
  mkdirSync(path, { recursive: true, mode: 0o711 });
  const { uid, mode } = lstatSync(path);
  // Everybody may make folders under /var/tmp. We do not use programs or data that another user has put there.
  if (!lstatSync(path).isDirectory() || uid !== process.getuid?.() || (mode & 0o022) !== 0) {
    throw new ConfigError(`${path} was not made by this program, or others can write to it: remove it`, {
      code: 'data-directory',
    });
  }
  // The umask may be stricter than usual.
  chmodSync(path, 0o711);
  return path;
}

/** /var/tmp and not /tmp, since it survives a restart of the machine. */
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

/** Makes all files readable, and those executable that we may execute. The sources may have been installed under a strict umask. */
function openToAll(folder: string): void {
  chmodSync(folder, 0o755);
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (entry.isSymbolicLink()) continue;
    const path = join(entry.parentPath, entry.name);
    chmodSync(path, (statSync(path).mode & 0o100) === 0 ? 0o644 : 0o755);
  }
}
