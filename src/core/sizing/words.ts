import type { Fleet, Sizing } from './model.ts';

/** A sizing in words. */

const whole = (value: number) => String(Math.round(value));
const part = (value: number) => `${Math.round(value * 100)} %`;

/** One line: the end of a bench. */
export function sizingLine(fleet: Fleet, { transport, rate, replicas, usage, p99 }: Sizing): string {
  const [first] = usage;
  return (
    `sizing: ${fleet.instances} instances every ${fleet.interval} s (${whole(rate)} messages/s, ${transport}): ${replicas} ${replicas === 1 ? 'replica' : 'replicas'}` +
    `${p99 === undefined ? '' : `, p99 ${p99.toFixed(0)} ms`}; first to saturate: ${first?.what ?? 'nothing'} (${part(first?.part ?? 0)} used)`
  );
}

/** All that it says, in lines. */
export function sizingText(fleet: Fleet, sizing: Sizing): string {
  const { cores, walBytesPerDay, p99, usage } = sizing;
  const rows: [string, string][] = [
    ['messages', `${whole(sizing.rate)}/s over ${sizing.transport}`],
    [
      'replicas',
      `${sizing.replicas}, ${whole(sizing.perReplica)} messages/s each (measured: up to ${whole(sizing.capacity)}/s)`,
    ],
    [
      'after an outage',
      `${whole(sizing.recoveryRate)} messages/s for ${fleet.recover} s, after ${fleet.outage} s without a replica`,
    ],
    ['worker threads', `${sizing.threads} a replica`],
    ['connections', `${whole(sizing.connectionsPerReplica)} a replica, ${sizing.connections} in all`],
    ['batches', `${sizing.batch.toFixed(1)} messages on average`],
    ['WAL', walBytesPerDay === undefined ? 'not measured' : `${(walBytesPerDay / 1e9).toFixed(1)} GB a day`],
    ['p99 to commit', p99 === undefined ? 'not measured' : `${p99.toFixed(0)} ms`],
    [
      'busy cores',
      `replicas ${cores.replicas.toFixed(2)}, broker ${shown(cores.broker)}, Postgres ${shown(cores.postgres)}`,
    ],
    ['used', usage.map(({ what, part: used }) => `${what} ${part(used)}`).join(', ')],
    ['saturates first', `${usage[0]?.what ?? 'nothing'}, at ${whole(sizing.saturatesAt)} messages/s`],
  ];
  return [
    ...rows.map(([name, value]) => `${name.padEnd(17)}${value}`),
    'This assumes:',
    ...sizing.assumptions.map((one) => `- ${one}`),
  ].join('\n');
}

function shown(cores: number | undefined): string {
  return cores === undefined ? 'not measured' : cores.toFixed(2);
}
