import type { BenchFile, Quantiles, RunFigures } from '../../src/core/sizing/figures.ts';
import { kneeOf, p99Of } from '../../src/core/sizing/knee.ts';
import { barPlot, escapeXml, linePlot, type Series } from './svg.ts';
import { columns } from './table.ts';

/** The report: one page without scripts and without any other file. */
export function htmlOf(file: BenchFile, sizing: ReadonlyArray<string>): string {
  const { machine, versions, commit, command, startedAt, parameters, runs } = file;
  const facts = [
    ['command', command],
    ['begun', startedAt],
    [
      'machine',
      `${machine.cores} cores (${machine.model}), ${Math.round(machine.memoryBytes / 2 ** 30)} GiB`,
    ],
    [
      'versions',
      Object.entries(versions)
        .map((pair) => pair.join(' '))
        .join(', '),
    ],
    ['commit', commit ?? 'unknown'],
    ['parameters', JSON.stringify(parameters)],
  ];
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Conductor bench</title>
<style>body{font:15px sans-serif;max-width:1100px;margin:2em auto;padding:0 1em;color:#1f2328}
table{border-collapse:collapse;font-size:12px;display:block;overflow-x:auto}td,th{padding:2px 8px;text-align:right;border-bottom:1px solid #eaeef2}
th{position:sticky;top:0;background:#fff}dt{font-weight:bold;float:left;width:7em}dd{margin:0 0 4px 8em;word-break:break-word}</style></head><body>
<h1>Conductor bench</h1>
<dl>${facts.map(([name = '', value = '']) => `<dt>${name}</dt><dd>${escapeXml(value)}</dd>`).join('')}</dl>
${sizing.map((line) => `<p>${escapeXml(line)}</p>`).join('\n')}
${plots(runs)
  .map(([title, note, plot]) => `<h2>${title}</h2><p>${note}</p>${plot}`)
  .join('\n')}
<h2>All runs</h2>
<p>Latencies in milliseconds from the time at which a message was due. CPU in microseconds a message. "!" marks a rate below what was offered.</p>
<table><tr>${columns.map(([head]) => `<th>${head}</th>`).join('')}</tr>
${runs.map((run) => `<tr>${columns.map(([, of]) => `<td>${escapeXml(of(run))}</td>`).join('')}</tr>`).join('\n')}</table>
</body></html>
`;
}

const setupOf = ({ transport, codec, auth, instances, body, replicas, threads }: RunFigures) =>
  [transport, codec, auth, instances, body, replicas, threads].join(' ');

/** A name that tells the set-ups of a report apart. */
function nameOf(run: RunFigures, all: ReadonlyArray<RunFigures>): string {
  const differs = (of: (run: RunFigures) => unknown) => new Set(all.map(of)).size > 1;
  return [
    run.transport,
    ...(differs(({ codec }) => codec) ? [run.codec] : []),
    ...(differs(({ auth }) => auth) ? [run.auth] : []),
    ...(differs(({ instances }) => instances) ? [`${run.instances} instances`] : []),
    ...(differs(({ body }) => body) ? [`${run.body} bytes`] : []),
    ...(differs(({ replicas }) => replicas) ? [`× ${run.replicas}`] : []),
    ...(differs(({ threads }) => threads) && run.threads === 0 ? ['inline'] : []),
  ].join(' ');
}

function plots(
  runs: ReadonlyArray<RunFigures>,
): ReadonlyArray<readonly [title: string, note: string, plot: string]> {
  const setups = [...Map.groupBy(runs, setupOf).values()];
  const timed = setups
    .map((group) => group.filter(({ offered }) => offered !== null))
    .filter((group) => group.length > 0);
  const curves = timed.filter((group) => group.length > 1);
  const best = timed.flatMap((group) => kneeOf(group) ?? group.slice(0, 1));
  const plots: (readonly [string, string, string])[] = [];
  if (curves.length > 0)
    plots.push([
      'Rate against latency',
      'The p99 from the time a message was due until it was committed (settled, where the time of the commit is not known). The circle is the knee: the greatest rate that was kept up within 250 ms.',
      linePlot(
        curves.map((group) => curveOf(group, runs)),
        { label: 'messages a second' },
        { label: 'p99, ms', isLog: true },
      ),
    ]);
  if (best.length > 0)
    plots.push(
      [
        'Latency distribution',
        'Of the greatest rate of each set-up that was kept up: from the time a message was due until it was committed or settled.',
        linePlot(
          best.flatMap((run) => distributionOf(run, nameOf(run, runs))),
          percentiles,
          { label: 'ms', isLog: true },
        ),
      ],
      [
        'CPU a message',
        'Of the same runs. Where a part is missing, it could not be measured.',
        barPlot(
          best.map((run) => ({ name: nameOf(run, runs), parts: splitOf(run) })),
          parts,
          'microseconds a message',
        ),
      ],
    );
  const scaled = [
    ...Map.groupBy(best, ({ transport, codec, auth }) => `${transport} ${codec} ${auth}`),
  ].filter(([, group]) => new Set(group.map(({ replicas }) => replicas)).size > 1);
  if (scaled.length > 0)
    plots.push([
      'Rate against replicas',
      'The knee of each number of replicas, all on this machine.',
      linePlot(
        scaled.map(([name, group]) => ({
          name,
          points: group.map(({ replicas, rate }) => [replicas, rate] as const),
        })),
        { label: 'replicas' },
        { label: 'messages a second' },
      ),
    ]);
  return plots;
}

function curveOf(group: ReadonlyArray<RunFigures>, all: ReadonlyArray<RunFigures>): Series {
  const sorted = group.toSorted((a, b) => (a.offered ?? 0) - (b.offered ?? 0));
  const [first] = sorted;
  const knee = kneeOf(group);
  return {
    name: first === undefined ? '' : nameOf(first, all),
    points: sorted.map((run) => [run.offered ?? 0, p99Of(run) ?? 0] as const),
    mark: knee && { x: knee.offered ?? 0, y: p99Of(knee) ?? 0, text: `${Math.round(knee.rate)}/s` },
  };
}

/** The axis shows how rare a time is: 50, 90, 99 and 99.9 %. */
const percentiles = {
  label: 'percentile',
  ticks: [
    [0, '50'],
    [1, '90'],
    [2, '99'],
    [3, '99.9'],
  ] as const,
};

function distributionOf({ latency }: RunFigures, name: string): Series[] {
  const points = ({ p50, p90, p99, p999 }: Quantiles) =>
    [p50, p90, p99, p999].map((value, index) => [index, value] as const);
  return [
    ...(latency.commit === null ? [] : [{ name: `${name} commit`, points: points(latency.commit) }]),
    ...(latency.settle === null ? [] : [{ name: `${name} settle`, points: points(latency.settle) }]),
  ];
}

const parts = ['main thread', 'workers', 'rest of the replica', 'broker', 'Postgres'];

function splitOf({ cpu }: RunFigures): number[] {
  const rest = Math.max(0, cpu.replicas - cpu.main - cpu.workers);
  return [cpu.main, cpu.workers, rest, cpu.broker ?? 0, cpu.postgres ?? 0];
}
