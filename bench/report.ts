import type { DrainResult, DrainRound } from './drain.ts';

/** One table: the median of each figure, with its least and greatest. */
export function formatRounds(rounds: ReadonlyArray<DrainRound>): string {
  const rate = ({ messages, seconds }: DrainResult) => messages / seconds;
  const figures: [who: string, what: string, digits: number, of: (round: DrainRound) => number][] = [
    ['bare consumer', 'messages/s', 0, ({ bare }) => rate(bare)],
    ['conductor', 'messages/s', 0, ({ conductor }) => rate(conductor)],
    ['ratio', 'conductor / bare', 2, ({ bare, conductor }) => rate(conductor) / rate(bare)],
    ['bare consumer', 'CPU µs/message', 1, ({ bare }) => bare.cpuMicroseconds / bare.messages],
    ['  its broker', 'CPU µs/message', 1, ({ bare }) => bare.broker / bare.messages],
    ['conductor', 'CPU µs/message', 1, ({ conductor }) => conductor.cpuMicroseconds / conductor.messages],
    ['  its broker', 'CPU µs/message', 1, ({ conductor }) => conductor.broker / conductor.messages],
    ['  Postgres', 'CPU µs/message', 1, ({ conductor }) => conductor.postgres / conductor.messages],
    ['conductor', 'peak memory MB', 0, ({ conductor }) => conductor.peakBytes / 1e6],
  ];
  const rows = figures.map(([who, what, digits, of]) => [who, what, spread(rounds.map(of), digits)]);
  const lines = rows.map(
    ([who = '', what = '', figures = '']) => `${who.padEnd(15)}${what.padEnd(18)}${figures}`,
  );
  return [
    `${''.padEnd(33)}   median      least   greatest`,
    ...lines,
    'One replica beside broker and database on one machine: no network, no other load.',
  ].join('\n');
}

function spread(values: ReadonlyArray<number>, digits: number): string {
  const sorted = values.toSorted((a, b) => a - b);
  const median = sorted[Math.floor((sorted.length - 1) / 2)] ?? Number.NaN;
  return [median, sorted[0] ?? Number.NaN, sorted.at(-1) ?? Number.NaN]
    .map((value) => value.toFixed(digits).padStart(10))
    .join(' ');
}
