import type { DrainResult, DrainRound } from './drain.ts';

/** One table: the median of each figure, with its least and greatest. */
export function formatRounds(rounds: ReadonlyArray<DrainRound>): string {
  const rate = ({ messages, seconds }: DrainResult) => messages / seconds;
  const rows = [
    [
      'bare consumer',
      'messages/s',
      spread(
        rounds.map(({ bare }) => rate(bare)),
        0,
      ),
    ],
    [
      'conductor',
      'messages/s',
      spread(
        rounds.map(({ conductor }) => rate(conductor)),
        0,
      ),
    ],
    [
      'ratio',
      'conductor / bare',
      spread(
        rounds.map(({ bare, conductor }) => rate(conductor) / rate(bare)),
        2,
      ),
    ],
    [
      'bare consumer',
      'CPU µs/message',
      spread(
        rounds.map(({ bare }) => bare.cpuMicroseconds / bare.messages),
        1,
      ),
    ],
    [
      'conductor',
      'CPU µs/message',
      spread(
        rounds.map(({ conductor }) => conductor.cpuMicroseconds / conductor.messages),
        1,
      ),
    ],
    [
      'conductor',
      'peak memory MB',
      spread(
        rounds.map(({ conductor }) => conductor.peakBytes / 1e6),
        0,
      ),
    ],
  ];
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
