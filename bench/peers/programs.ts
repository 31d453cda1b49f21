import { fileURLToPath } from 'node:url';
import { findProgram, startProcess } from '../../test/support/processes.ts';
import type { Peer } from './peer.ts';

/** A program on PATH that a file configures. */
function program(name: string, args: (file: string) => string[], file: string, about: number): Peer {
  return {
    name,
    about,
    missing: () => Promise.resolve(findProgram(name) === undefined ? `${name} is not on PATH` : undefined),
    start({ broker, database }) {
      const path = fileURLToPath(new URL(file, import.meta.url));
      const env = { ...process.env, BROKER: broker, DATABASE: `${database}?sslmode=disable` };
      return startProcess(findProgram(name) ?? name, args(path), { env });
    },
  };
}

export const bento = program('bento', (file) => ['-c', file], 'bento/bento.yaml', 5000);

export const telegraf: Peer = {
  ...program('telegraf', (file) => ['--config', file], 'telegraf/telegraf.conf', 10_000),
  table: 'heartbeats',
  // As Telegraf makes it at its first heartbeat, which would be too late for who looks whether there is one.
  tables: () =>
    'CREATE TABLE heartbeats (time timestamp without time zone, instance_id text, status_description text)',
};
