/**
 * Ports for servers. Not the usual "listen on 0 and hope": a port that the kernel hands out so may be the near end of
 * somebody's connection by the time a server that was stopped wants it back. So these lie below the range that the
 * kernel hands out, and a link in a shared folder, naming the owner, reserves each for as long as its process lives.
 */
import { mkdirSync, readlinkSync, rmSync, symlinkSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { codeOf } from '../../src/core/errors.ts';

const lowest = 20_000;
const count = 12_000;
// Not os.tmpdir(): that may differ between processes that must not choose the same port.
const folder = `/tmp/conductor-test-ports-${process.getuid?.() ?? 0}`;
const reserved = new Set<string>();

/** A port on 127.0.0.1 that nobody listens on, and that no other process that asks here gets while this one lives. */
export async function freePort(): Promise<number> {
  mkdirSync(folder, { recursive: true });
  for (let attempt = 0; attempt < 1000; attempt++) {
    const port = lowest + Math.floor(Math.random() * count);
    if (reserve(join(folder, String(port))) && (await isFree(port))) return port;
  }
  throw new Error(`no free port between ${lowest} and ${lowest + count}`);
}

/** Whether something listens on the port of 127.0.0.1. */
export async function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' });
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}

function reserve(link: string): boolean {
  try {
    symlinkSync(String(process.pid), link);
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
    releaseIfDead(link);
    return false;
  }
  if (reserved.size === 0) process.once('exit', releaseAll);
  reserved.add(link);
  return true;
}

function releaseAll(): void {
  for (const link of reserved) rmSync(link, { force: true });
}

/** So that the next one who comes by may have it. */
function releaseIfDead(link: string): void {
  try {
    process.kill(Number(readlinkSync(link)), 0);
  } catch (error) {
    if (codeOf(error) === 'ESRCH') rmSync(link, { force: true });
  }
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
