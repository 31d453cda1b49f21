/** `npm run docs`: writes docs/metrics.md from the metrics of src/admin/metrics, the one place that describes them. */
import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { processMetrics, topics } from '../src/admin/metrics/index.ts';
import { type Label, labelValues, type Metric } from '../src/admin/metrics/metric.ts';
import { deadReasons } from '../src/core/errors.ts';
import { holdCauses } from '../src/core/hold-causes.ts';
import { tableNames } from '../src/core/job-figures.ts';
import { outcomeKinds } from '../src/core/message/outcome.ts';

export const metricsFile = fileURLToPath(new URL('../docs/metrics.md', import.meta.url));

const introduction = `<!-- Written by \`npm run docs\` from src/admin/metrics: change that. -->

# Metrics

A replica reports its metrics at \`/metrics\` of \`admin.port\`, in OpenMetrics 1.0. A scrape asks neither the brokers nor the database. What it
costs stands in [benchmark.md](benchmark.md#metrics).

Names and labels are part of the interface: a change of one is a breaking change. [alerts.yaml](../deploy/prometheus/alerts.yaml) has alert
rules for Prometheus, [conductor.json](../deploy/grafana/conductor.json) a dashboard for Grafana. A metric begins at 0 with each start of a replica.

## The signal to scale by

\`conductor_utilisation\` says how much of its capacity a replica uses, from 0 to 1, whichever broker the messages come from. It is the largest of
three parts, each the mean of the last 15 seconds:

| part          | what it is                                                                                                       |
| ------------- | ---------------------------------------------------------------------------------------------------------------- |
| \`batches\`     | the messages in workers, as a share of those that full batches in all slots would hold: \`workers.maxBatch\` times the slots, at most \`maxInFlight\` |
| \`calls\`       | the call slots that are taken, a call that waits for Postgres included                                           |
| \`main_thread\` | the time of the main thread that is not idle. It reads from the brokers and settles                              |

A slot that is busy with small batches has room for more messages, so the time of busy slots alone would say 1 under a light load. Add replicas when
the mean of all replicas is over 0.7, and remove some when it is below 0.3. While messages are held, the signal keeps its last value, because more
replicas do not help then.

## The account of the messages

At any time, for each transport:

\`\`\`
received = the sum of settled over all outcomes + released + in memory
\`\`\`

\`conductor_unexplained_messages\` is the difference. If it is not 0, the conductor has a fault.
`;

/** The values of labels that are enumerations. */
const enumerations: Partial<Record<Label, readonly string[]>> = {
  outcome: outcomeKinds,
  reason: deadReasons,
  cause: holdCauses,
  table: tableNames,
};

/** The whole page. */
export function renderMetrics(): string {
  const own = Object.entries(topics).map(([topic, metrics]) =>
    [`## ${topic}\n`, table(metrics.map(rowOf), ['metric', 'type', 'labels', 'meaning'])].join('\n'),
  );
  const process = processMetrics()
    .getMetricsAsArray()
    .map(({ name, help }) => [`\`${name}\``, help]);
  const labels = Object.entries(labelValues).map(([label, meaning]) => {
    const values = Object.entries(enumerations).find(([name]) => name === label)?.[1];
    return [`\`${label}\``, values ? `${meaning}: ${values.map((one) => `\`${one}\``).join(', ')}` : meaning];
  });
  return [
    introduction,
    ...own,
    '## The process\n',
    'These come from prom-client, with the names that dashboards for Node know. The event loop and the memory are those of the main thread and the whole process.\n',
    table(process, ['metric', 'meaning']),
    '## Labels\n',
    'Each label has a bounded set of values. No sender can make a new one.\n',
    table(labels, ['label', 'values']),
  ].join('\n');
}

function rowOf({ name, type, labels, help }: Metric): string[] {
  return [`\`${name}\``, type, labels.map((label) => `\`${label}\``).join(', '), help];
}

function table(rows: ReadonlyArray<ReadonlyArray<string>>, heading: ReadonlyArray<string>): string {
  const line = (cells: ReadonlyArray<string>) =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return `${[line(heading), line(heading.map(() => '---')), ...rows.map(line)].join('\n')}\n`;
}

if (import.meta.main) await writeFile(metricsFile, renderMetrics());
