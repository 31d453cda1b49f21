import test from 'ava';
import fc from 'fast-check';
import { ConfigError } from '../../../src/core/errors.ts';
import { kneeOf } from '../../../src/core/sizing/knee.ts';
import { type Fleet, sizeFleet } from '../../../src/core/sizing/model.ts';
import { readBenchFile } from '../../../src/core/sizing/read.ts';
import { sizingLine, sizingText } from '../../../src/core/sizing/words.ts';
import { benchFile, run } from './figures.ts';

const fleet: Fleet = {
  instances: 100_000,
  interval: 10,
  headroom: 0.8,
  outage: 600,
  recover: 1800,
  transport: undefined,
  brokerCores: undefined,
  databaseCores: undefined,
};
const curve = [run(1000), run(4000), run(8000)];

test('as many replicas are proposed as keep within the headroom of what one was measured to take', (t) => {
  // 10,000/s ÷ (0.8 × 8,000/s).
  const sizing = sizeFleet(benchFile(curve), { ...fleet, outage: 1 });
  t.is(sizing.rate, 10_000);
  t.is(sizing.replicas, 2);
  t.is(sizing.perReplica, 5000);
});

test('a backlog that has to be gone soon asks for more replicas than the fleet alone', (t) => {
  // 10,000/s × (1 + 600 ÷ 300) ÷ 8,000/s.
  const sizing = sizeFleet(benchFile(curve), { ...fleet, recover: 300 });
  t.is(sizing.recoveryRate, 30_000);
  t.is(sizing.replicas, 4);
});

test('a drain that was measured counts for the backlog', (t) => {
  const drain = {
    transport: 'nats',
    messages: 1,
    rate: 30_000,
    bareRate: 60_000,
    cpu: { replica: 1, broker: 1, postgres: 1 },
    efficiency: { own: 1, withServers: 1 },
  };
  t.is(sizeFleet(benchFile(curve, { drains: [drain] }), { ...fleet, recover: 300 }).replicas, 2);
});

test('the cores, the WAL and the connections follow from the figures a message', (t) => {
  const sizing = sizeFleet(benchFile(curve), { ...fleet, outage: 1 });
  t.is(sizing.cores.replicas.toFixed(3), '0.220');
  t.is(sizing.cores.postgres?.toFixed(3), '0.100');
  t.is(sizing.walBytesPerDay, 200 * 10_000 * 86_400);
  t.is(sizing.connections, 16);
  t.is(sizing.p99, 10);
});

test('the cost of a message between two rates is between their costs', (t) => {
  const dear = run(1000, { cpu: { ...run(1).cpu, postgres: 100 } });
  const cheap = run(9000, { cpu: { ...run(1).cpu, postgres: 20 } });
  // 0.1 and 0.18 cores, so 0.14 at the rate in the middle.
  const sizing = sizeFleet(benchFile([dear, cheap]), { ...fleet, instances: 50_000 });
  t.is(sizing.perReplica, 5000);
  t.is(sizing.cores.postgres?.toFixed(3), '0.140');
});

test('the resource that is used most is named first', (t) => {
  const busy = curve.map((one) => ({ ...one, cpu: { ...one.cpu, postgres: 150 } }));
  const sizing = sizeFleet(benchFile(busy), { ...fleet, outage: 1, databaseCores: 1 });
  t.is(sizing.usage[0]?.what, "Postgres's cores");
  t.is(sizing.usage[0]?.part.toFixed(2), '1.50');
  t.is(Math.round(sizing.saturatesAt), Math.round(10_000 / 1.5));
  t.regex(
    sizingText(fleet, sizing),
    /^enough up to +6667 messages\/s with these 2 replicas, which is less than the fleet sends; then the limit is Postgres's cores: more replicas do not help/m,
  );
});

test('the p99 is that between the two nearest rates, and below the least one that of the least', (t) => {
  const late = { ...run(1).latency, commit: { count: 1, p50: 1, p90: 1, p99: 30, p999: 1, max: 1 } };
  const file = benchFile([run(1000), run(2000, { latency: late })]);
  const p99 = (instances: number) => sizeFleet(file, { ...fleet, instances, headroom: 1, outage: 0 }).p99;
  t.is(p99(15_000), 20);
  t.is(p99(20_000), 30);
  t.is(p99(10), 10);
});

test('the knee is the greatest rate that was kept up with in time', (t) => {
  const late = { ...run(1).latency, commit: { count: 1, p50: 1, p90: 1, p99: 300, p999: 1, max: 1 } };
  const runs = [run(1000), run(2000), run(4000, { latency: late }), run(8000, { keepsUp: false })];
  t.is(kneeOf(runs)?.rate, 2000);
  t.is(kneeOf(runs, 500)?.rate, 4000);
  t.is(kneeOf([run(8000, { keepsUp: false })]), undefined);
});

test('a file without a usable run says what is missing', (t) => {
  t.throws(() => sizeFleet(benchFile([]), fleet), {
    instanceOf: RangeError,
    message: /no run with one replica/,
  });
  t.throws(() => sizeFleet(benchFile(curve), { ...fleet, transport: 'mqtt' }), { message: /no run of mqtt/ });
});

test('a bench of several transports is sized for the one that is named', (t) => {
  const both = benchFile([...curve, run(500, { transport: 'mqtt' })]);
  t.throws(() => sizeFleet(both, fleet), {
    instanceOf: RangeError,
    message: 'the file has runs of nats, mqtt: name one of them with --transport',
  });
  t.is(sizeFleet(both, { ...fleet, transport: 'mqtt' }).capacity, 500);
});

test('a larger fleet never needs fewer replicas, and none is asked for more than the headroom', (t) => {
  const positive = fc.integer({ min: 1, max: 1_000_000 });
  t.notThrows(() =>
    fc.assert(
      fc.property(
        positive,
        positive,
        fc.double({ min: 0.1, max: 1, noNaN: true }),
        (instances, more, headroom) => {
          const [small, large] = [instances, instances + more].map((count) =>
            sizeFleet(benchFile(curve), { ...fleet, instances: count, headroom }),
          );
          if (small === undefined || large === undefined) return false;
          return (
            large.replicas >= small.replicas && large.perReplica <= headroom * large.capacity * (1 + 1e-9)
          );
        },
      ),
    ),
  );
});

test('the text names the replicas, up to which rate they are enough, and what is assumed', (t) => {
  const sizing = sizeFleet(benchFile(curve), fleet);
  t.regex(sizingText(fleet, sizing), /^replicas +2, 5000 messages\/s each/m);
  t.regex(
    sizingText(fleet, sizing),
    /^enough up to +16000 messages\/s with these 2 replicas; then the limit is the rate that a replica kept up with in the bench: add replicas for more$/m,
  );
  t.regex(sizingText(fleet, sizing), /^This assumes:\n- /m);
  t.regex(
    sizingLine(fleet, sizing),
    /^sizing, if 100000 guests send a message every 10 s \(10000 messages\/s, nats\): 2 replicas, enough up to 16000 messages\/s, 99 % committed within 10 ms$/,
  );
});

test('a result file is read as it was written, and one that cannot be used names the field', (t) => {
  const file = benchFile(curve);
  const read = (value: unknown) => readBenchFile(JSON.stringify(value), 'bench.json');
  t.deepEqual(read(file), file);
  const refused = (value: unknown, message: RegExp) =>
    t.throws(() => read(value), { instanceOf: ConfigError, message });
  refused({ ...file, version: 2 }, /^bench\.json: version: must be 1, not 2/);
  refused({ ...file, runs: [{ ...run(1), rate: '7' }] }, /^bench\.json: runs\[0\]\.rate: is a string/);
  refused({ ...file, runs: [{ ...run(1), cpu: {} }] }, /^bench\.json: runs\[0\]\.cpu\.replicas: is missing/);
  refused({ ...file, runs: 1 }, /^bench\.json: runs: must be an array/);
  refused([], /is no result file of the bench/);
  t.throws(() => readBenchFile('{', 'bench.json'), { instanceOf: ConfigError, message: /is no JSON/ });
});
