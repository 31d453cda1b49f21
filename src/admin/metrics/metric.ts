import {
  Counter,
  Gauge,
  type OpenMetricsContentType,
  Histogram as PromHistogram,
  type Registry,
} from 'prom-client';
import type { HistogramCounts } from '../../core/histogram.ts';
import type { MetricsSubject } from './subject.ts';

/** The labels of metrics, and the values that each can have. The list of a label's values is bounded. */
export const labelValues = {
  transport: 'the name of the transport in the configuration',
  kind: 'the protocol of the transport',
  outcome: 'what became of the message',
  method: 'a method of the method table, or `(other)`: senders may write any name',
  reason: 'the reason of the dead letter',
  cause: 'why messages are held',
  state: 'the state of the connection',
  end: '`ended`, `displaced`, `unfinished` or `failed`',
  part: '`batches`, `calls` or `main_thread`',
  table: 'the table in Postgres',
  round: '`judged`, `waited` or `suspect`',
  status: '`watched`, `late`, `silent` or `overdue`',
  result: '`published` or `failed`',
  job: 'the name of the job; a job for one transport has its name behind a slash',
  kept: '`required` or `survives`',
  failure: 'the failure of a server that a confirmed message survives',
  replica: 'the name of the replica in the configuration',
  version: 'the version of the conductor',
} as const;
export type Label = keyof typeof labelValues;

/** The labels of one series, in the order of `labels`, and its value. */
export type Sample<Value> = readonly [labels: ReadonlyArray<string>, value: Value];

interface Described {
  /** Part of the interface: a changed name is a breaking change. */
  readonly name: string;
  readonly help: string;
  readonly labels: ReadonlyArray<Label>;
}

/** A metric, as data. `read` is called at each scrape. */
export type Metric =
  | (Described & {
      readonly type: 'counter' | 'gauge';
      readonly read: (subject: MetricsSubject) => Iterable<Sample<number>>;
    })
  | (Described & {
      readonly type: 'histogram';
      readonly bounds: ReadonlyArray<number>;
      readonly read: (subject: MetricsSubject) => Iterable<Sample<HistogramCounts>>;
    });

/** Has a registry read a metric at each scrape. */
export function register(
  metric: Metric,
  registry: Registry<OpenMetricsContentType>,
  subject: MetricsSubject,
): void {
  const { name, help, labels } = metric;
  const described = { name, help, labelNames: [...labels], registers: [registry] };
  if (metric.type === 'histogram') {
    new CountedHistogram(described, metric.bounds, () => metric.read(subject));
    return;
  }
  const { read } = metric;
  if (metric.type === 'gauge')
    new Gauge({
      ...described,
      collect() {
        this.reset();
        for (const [values, value] of read(subject)) this.set(named(labels, values), value);
      },
    });
  else
    new Counter({
      ...described,
      collect() {
        this.reset();
        for (const [values, value] of read(subject)) this.inc(named(labels, values), value);
      },
    });
}

function named(labels: ReadonlyArray<string>, values: ReadonlyArray<string>): Record<string, string> {
  return Object.fromEntries(labels.map((label, index) => [label, values[index] ?? '']));
}

interface BucketSample {
  readonly metricName: string;
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
}

/** prom-client's histogram takes values one by one. This one has them counted already. */
class CountedHistogram extends PromHistogram {
  private readonly described: { readonly name: string; readonly help: string };
  private readonly ownLabels: ReadonlyArray<string>;
  private readonly bounds: ReadonlyArray<number>;
  private readonly read: () => Iterable<Sample<HistogramCounts>>;

  constructor(
    described: ConstructorParameters<typeof PromHistogram>[0],
    bounds: ReadonlyArray<number>,
    read: () => Iterable<Sample<HistogramCounts>>,
  ) {
    super({ ...described, buckets: [...bounds] });
    this.described = described;
    this.ownLabels = described.labelNames ?? [];
    this.bounds = bounds;
    this.read = read;
  }

  /** The registry asks this for the text. The types of prom-client lack it; the test of a scrape shows that it is asked. */
  async getForPromString(): Promise<unknown> {
    const { name, help } = this.described;
    const values = [...this.read()].flatMap(([labels, counts]) => this.seriesOf(labels, counts));
    return { name, help, type: 'histogram', values, aggregator: 'sum' };
  }

  private seriesOf(values: ReadonlyArray<string>, { counts, sum }: HistogramCounts): BucketSample[] {
    const { name } = this.described;
    const labels = named(this.ownLabels, values);
    let count = 0;
    const buckets = counts.map((own, bucket): BucketSample => {
      count += own;
      return {
        metricName: `${name}_bucket`,
        labels: { ...labels, le: this.bounds[bucket] ?? '+Inf' },
        value: count,
      };
    });
    return [
      ...buckets,
      { metricName: `${name}_sum`, labels, value: sum },
      { metricName: `${name}_count`, labels, value: count },
    ];
  }
}
