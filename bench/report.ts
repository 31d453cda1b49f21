import type { DrainFigures } from '../src/core/sizing/figures.ts';
import type { DrainResult, DrainRound } from './drain.ts';

type Figure = readonly [who: string, what: string, digits: number, of: (round: DrainRound) => number];

const rate = ({ messages, seconds }: DrainResult) => messages / seconds;

/** CPU microseconds a message of a process, and those of its servers. */
const own = ({ cpuMicroseconds, messages }: DrainResult) => cpuMicroseconds / messages;
const ofBroker = ({ broker, messages }: DrainResult) => broker / messages;
const ofPostgres = ({ postgres, messages }: DrainResult) => postgres / messages;

const efficiency = {
  own: ({ bare, writer, conductor }: DrainRound) => (own(bare) + own(writer)) / own(conductor),
  withServers: ({ bare, writer, conductor }: DrainRound) =>
    (own(bare) + ofBroker(bare) + own(writer) + ofPostgres(writer)) /
    (own(conductor) + ofBroker(conductor) + ofPostgres(conductor)),
};

const figures: ReadonlyArray<Figure> = [
  ['bare consumer', 'messages/s', 0, ({ bare }) => rate(bare)],
  ['conductor', 'messages/s', 0, ({ conductor }) => rate(conductor)],
  ['ratio', 'conductor / bare', 2, ({ bare, conductor }) => rate(conductor) / rate(bare)],
  ['bare consumer', 'CPU µs/message', 1, ({ bare }) => own(bare)],
  ['  its broker', 'CPU µs/message', 1, ({ bare }) => ofBroker(bare)],
  ['bare writer', 'CPU µs/message', 1, ({ writer }) => own(writer)],
  ['  its Postgres', 'CPU µs/message', 1, ({ writer }) => ofPostgres(writer)],
  ['conductor', 'CPU µs/message', 1, ({ conductor }) => own(conductor)],
  ['  its broker', 'CPU µs/message', 1, ({ conductor }) => ofBroker(conductor)],
  ['  its Postgres', 'CPU µs/message', 1, ({ conductor }) => ofPostgres(conductor)],
  ['CPU', 'conductor / bare', 2, ({ bare, conductor }) => own(conductor) / own(bare)],
  ['efficiency', 'own CPU', 2, efficiency.own],
  ['efficiency', 'with servers', 2, efficiency.withServers],
  ['conductor', 'peak memory MB', 0, ({ conductor }) => conductor.peakBytes / 1e6],
];

/** The medians of a transport's rounds, for the result file. */
export function drainFiguresOf(transport: string, rounds: ReadonlyArray<DrainRound>): DrainFigures {
  const median = (of: (round: DrainRound) => number) => spread(rounds.map(of))[0];
  return {
    transport,
    messages: median(({ conductor }) => conductor.messages),
    rate: median(({ conductor }) => rate(conductor)),
    bareRate: median(({ bare }) => rate(bare)),
    cpu: {
      replica: median(({ conductor }) => own(conductor)),
      broker: median(({ conductor }) => ofBroker(conductor)),
      postgres: median(({ conductor }) => ofPostgres(conductor)),
    },
    efficiency: { own: median(efficiency.own), withServers: median(efficiency.withServers) },
  };
}

/** Prints what the efficiency is, and the limits of the figures. */
const footnote = [
  "Efficiency: the floor's CPU a message ÷ the conductor's. The floor is a bare consumer, which receives and acknowledges, and a bare writer,",
  'which sends the same rows by the same statement from arrays that were packed before. Own CPU: the processes alone. With servers: with the',
  "CPU of the bare consumer's broker and the bare writer's Postgres, and of the conductor's broker and Postgres.",
  'One replica beside broker and database on one machine: no network, no other load.',
].join('\n');

/** One table of one transport: the median of each figure, with its least and greatest. */
export function formatRounds(rounds: ReadonlyArray<DrainRound>): string {
  const lines = figures.map(
    ([who, what, digits, of]) =>
      label(who, what) +
      spread(rounds.map(of))
        .map((value) => value.toFixed(digits).padStart(11))
        .join(''),
  );
  const heading = ['median', 'least', 'greatest'].map((word) => word.padStart(11)).join('');
  return [label('', '') + heading, ...lines, footnote].join('\n');
}

/** One table of several transports: the median of each figure, and of the ratio its least and greatest too. */
export function formatTransports(results: ReadonlyMap<string, ReadonlyArray<DrainRound>>): string {
  const row = (texts: Iterable<string>) => [...texts].map((text) => text.padStart(21)).join('');
  const lines = figures.map(([who, what, digits, of]) => {
    const cells = [...results.values()].map((rounds) => {
      const [median, ...ends] = spread(rounds.map(of)).map((value) => value.toFixed(digits));
      return who === 'ratio' ? `${median} (${ends.join(' to ')})` : String(median);
    });
    return label(who, what) + row(cells);
  });
  return [label('', '') + row(results.keys()), ...lines, footnote].join('\n');
}

function label(who: string, what: string): string {
  return `${who.padEnd(15)}${what.padEnd(18)}`;
}

function spread(values: ReadonlyArray<number>): [median: number, least: number, greatest: number] {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (index: number) => sorted.at(index) ?? Number.NaN;
  return [at(Math.floor((sorted.length - 1) / 2)), at(0), at(-1)];
}
