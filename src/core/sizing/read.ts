import { ConfigError } from '../errors.ts';
import { isObject, jsonFault, jsonTypeOf } from '../json.ts';
import type { BenchFile } from './figures.ts';

type Check = (value: unknown) => boolean;

const number: Check = (value) => typeof value === 'number' && Number.isFinite(value);
const text: Check = (value) => typeof value === 'string';
const flag: Check = (value) => typeof value === 'boolean';
const orNull =
  (check: Check): Check =>
  (value) =>
    value === null || check(value);

/** The figures of a run that a sizing is made of. */
const runChecks: Readonly<Record<string, Check>> = {
  scenario: text,
  transport: text,
  codec: text,
  auth: text,
  instances: number,
  body: number,
  replicas: number,
  threads: number,
  offered: orNull(number),
  rate: number,
  keepsUp: flag,
  'cpu.replicas': number,
  'cpu.main': number,
  'cpu.workers': number,
  'cpu.broker': orNull(number),
  'cpu.postgres': orNull(number),
  'batch.mean': number,
  wal: orNull(number),
  connections: orNull(number),
  'latency.commit.p99': orNull(number),
  'latency.settle.p99': orNull(number),
  'latency.work.p99': orNull(number),
};

const drainChecks: Readonly<Record<string, Check>> = { transport: text, rate: number };

/** Reads the result file of a bench. Throws ConfigError with the field that is wrong. */
export function readBenchFile(content: string, name: string): BenchFile {
  let value: unknown;
  try {
    value = JSON.parse(content);
  } catch (error) {
    throw new ConfigError(`${name}: is no JSON: ${jsonFault(error)}`);
  }
  if (!isBenchFile(value, name)) throw new ConfigError(`${name}: is no result file of the bench`);
  return value;
}

function isBenchFile(value: unknown, name: string): value is BenchFile {
  if (!isObject(value) || value.kind !== 'conductor-bench') return false;
  if (value.version !== 1)
    throw new ConfigError(
      `${name}: version: must be 1, not ${JSON.stringify(value.version)}: another release wrote the file`,
    );
  check(value, { 'machine.cores': number, 'machine.model': text }, name, '');
  for (const [key, checks] of [
    ['runs', runChecks],
    ['drains', drainChecks],
  ] as const) {
    const list = value[key];
    if (!Array.isArray(list))
      throw new ConfigError(`${name}: ${key}: must be an array, not ${jsonTypeOf(list)}`);
    for (const [index, one] of list.entries()) check(one, checks, name, `${key}[${index}].`);
  }
  if (!isObject(value.parameters)) throw new ConfigError(`${name}: parameters: must be an object`);
  return true;
}

function check(value: unknown, checks: Readonly<Record<string, Check>>, name: string, prefix: string): void {
  for (const [path, accepts] of Object.entries(checks)) {
    const found = path
      .split('.')
      .reduce<unknown>((at, key) => (isObject(at) ? at[key] : at === null ? null : undefined), value);
    if (!accepts(found))
      throw new ConfigError(
        `${name}: ${prefix}${path}: is ${found === undefined ? 'missing' : jsonTypeOf(found)}, which a sizing cannot use`,
      );
  }
}
