import { StorageType, type StreamConfig } from '@nats-io/jetstream';
import type { Shortfall } from '../../core/transport/durability.ts';

/** Core NATS: the broker hands a message on and forgets it. */
export const nothingKept: ReadonlyArray<Shortfall> = [
  { survives: 'nothing', because: 'core NATS keeps no message', raise: 'set jetstream: true' },
];

/**
 * Reads from the stream what a message survives that the server has confirmed.
 *
 * A server writes to disk every two minutes (`sync_interval`), replicas too, so a loss of power takes what all of them have confirmed
 * since. Clients cannot see this setting. Before 2.10 it does not exist.
 *
 * @param version of the server, such as `2.9.10`.
 */
export function durabilityOf(
  config: Pick<StreamConfig, 'name' | 'storage' | 'num_replicas'>,
  version: string,
): ReadonlyArray<Shortfall> {
  const { name, storage, num_replicas: replicas } = config;
  if (storage === StorageType.Memory)
    return [
      {
        survives: 'nothing',
        because: `the stream ${name} is in memory`,
        raise: 'make it anew with storage file',
      },
    ];
  // Since nats-server 2.12. The client library does not know it yet.
  if (Reflect.get(config, 'persist_mode') === 'async')
    return [
      {
        survives: 'nothing',
        because: `the stream ${name} confirms before it writes, by its persist_mode`,
        raise: 'make it anew with the default',
      },
    ];
  const shortfalls: Shortfall[] = [syncing(version)];
  if (replicas < 2)
    shortfalls.push({
      survives: 'power',
      because: `the stream ${name} has one replica`,
      raise: `run three servers and set it to three: nats stream edit ${name} --replicas 3`,
    });
  return shortfalls;
}

function syncing(version: string): Shortfall {
  const [, major, minor] = /^(\d+)\.(\d+)/.exec(version) ?? [];
  if (Number(major) < 2 || (major === '2' && Number(minor) < 10))
    return {
      survives: 'process',
      because: `nats-server ${version} writes to disk every two minutes only`,
      raise: 'use 2.10 or later with sync_interval: always',
    };
  return {
    survives: 'process',
    because:
      'nats-server does not tell its sync_interval, and by default writes to disk every two minutes only',
    raise: 'set sync_interval: always on each server, and say so with durability',
    isUnknown: true,
  };
}
