import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { parse } from 'yaml';
import { metricsFile, renderMetrics } from '../../scripts/metrics-reference.ts';
import { processMetrics, topics } from '../../src/admin/metrics/index.ts';
import { isObject } from '../../src/core/json.ts';
import { findProgram, startProcess } from '../support/processes.ts';
import { onlyIf } from '../support/services.ts';

/** The page, the alert rules and the dashboard name only metrics and labels that a replica exports. */

const metrics = Object.values(topics).flat();
const alertsFile = fileURLToPath(new URL('../../deploy/prometheus/alerts.yaml', import.meta.url));
const dashboardFile = fileURLToPath(new URL('../../deploy/grafana/conductor.json', import.meta.url));

/** The labels by the name of each series, as a query writes it. */
const series = new Map<string, readonly string[]>();
for (const { name, type, labels } of metrics) {
  if (type !== 'histogram') series.set(name, labels);
  else for (const part of ['bucket', 'sum', 'count']) series.set(`${name}_${part}`, [...labels, 'le']);
}
for (const { name } of processMetrics().getMetricsAsArray())
  for (const part of ['', '_bucket', '_sum', '_count']) series.set(name + part, ['kind']);

/** Labels that Prometheus adds. */
const ofPrometheus = ['instance', 'job'];

function problemsOf(expression: string): string[] {
  const problems: string[] = [];
  const known = new Set<string>(ofPrometheus);
  for (const [name] of expression.matchAll(/\b(?:conductor|process|nodejs)_\w+/g)) {
    const labels = series.get(name);
    if (labels === undefined) problems.push(`no metric ${name}`);
    for (const label of labels ?? []) known.add(label);
  }
  const lists = [
    ...[...expression.matchAll(/\bby \(([^)]*)\)/g)].flatMap(([, list = '']) => list.split(/, */)),
    ...[...expression.matchAll(/[{,](\w+)(?:=~|!=|!~|=)"/g)].map(([, label = '']) => label),
  ];
  for (const label of lists) if (!known.has(label)) problems.push(`no label ${label}`);
  return problems;
}

/** All texts under this key, at any depth. */
function textsOf(key: string, value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap((one) => textsOf(key, one));
  if (!isObject(value)) return [];
  return Object.entries(value).flatMap(([name, inner]) =>
    name === key && typeof inner === 'string' ? [inner] : textsOf(key, inner),
  );
}

test('docs/metrics.md agrees with the metrics: run `npm run docs`', (t) => {
  t.is(readFileSync(metricsFile, 'utf8'), renderMetrics());
});

test('a metric has the name that its type and unit demand, and stands there once', (t) => {
  t.is(new Set(metrics.map(({ name }) => name)).size, metrics.length);
  for (const { name, type, help } of metrics) {
    t.regex(name, /^conductor_[a-z_]+$/);
    t.is(name.endsWith('_total'), type === 'counter', name);
    t.notRegex(name, /milliseconds|_ms\b/);
    t.regex(help, /\.$/, name);
  }
});

test('the alert rules name only metrics and labels that are exported', (t) => {
  const rules = textsOf('expr', parse(readFileSync(alertsFile, 'utf8')));
  t.true(rules.length >= 10);
  for (const rule of rules) t.deepEqual(problemsOf(rule), [], rule);
});

test('the dashboard names only metrics and labels that are exported', (t) => {
  const dashboard: unknown = JSON.parse(readFileSync(dashboardFile, 'utf8'));
  const expressions = textsOf('expr', dashboard);
  t.true(expressions.length >= 30);
  for (const expression of expressions) t.deepEqual(problemsOf(expression), [], expression);
});

test('a query with a metric or a label that nobody exports is found', (t) => {
  t.deepEqual(problemsOf('sum by (transport) (rate(conductor_messages_recieved_total[1m]))'), [
    'no metric conductor_messages_recieved_total',
    'no label transport',
  ]);
  t.deepEqual(problemsOf('sum by (transport) (conductor_ready{tranport="x"})'), [
    'no label transport',
    'no label tranport',
  ]);
});

const promtool = findProgram('promtool');
onlyIf(
  test,
  promtool !== undefined,
  'promtool is not installed: apt-get install prometheus',
)('promtool accepts the alert rules', async (t) => {
  const checking = startProcess(promtool ?? '', ['check', 'rules', alertsFile]);
  const { code } = await checking.exited;
  t.is(code, 0, checking.stderr());
});
