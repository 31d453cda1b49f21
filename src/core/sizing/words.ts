import type { Fleet, Sizing } from './model.ts';

/** A sizing in words. */

const whole = (value: number) => String(Math.round(value));
const part = (value: number) => `${Math.round(value * 100)} %`;

/** One line: the end of a bench. It names the fleet, since nobody may have asked for this one. */
export function sizingLine(fleet: Fleet, sizing: Sizing): string {
  const { transport, rate, replicas, p99, saturatesAt } = sizing;
  return (
    `sizing, if ${fleet.instances} guests send a message every ${fleet.interval} s (${whole(rate)} messages/s, ${transport}): ` +
    `${replicas} ${replicas === 1 ? 'replica' : 'replicas'}, enough up to ${whole(saturatesAt)} messages/s` +
    `${p99 === undefined ? '' : `, 99 % committed within ${p99.toFixed(0)} ms`}`
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
      `of ${fleet.outage} s: ${whole(sizing.recoveryRate)} messages/s for ${fleet.recover} s`,
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
    ['used', usage.map(({ what, part: used }) => `${part(used)} of ${what}`).join(', ')],
    ['enough up to', limitOf(sizing)],
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

/** Up to which rate so many replicas are enough, and what is used up beyond it. */
function limitOf({ usage, rate, replicas, saturatesAt }: Sizing): string {
  const [first] = usage;
  if (first === undefined) return 'not known';
  const isEnough = saturatesAt >= rate;
  const more = first.isOfReplicas ? 'add replicas for more' : 'more replicas do not help, more cores do';
  return (
    `${whole(saturatesAt)} messages/s with ${replicas === 1 ? 'this replica' : `these ${replicas} replicas`}${isEnough ? '' : ', which is less than the fleet sends'}; ` +
    `then the limit is ${first.what}: ${more}`
  );
}
