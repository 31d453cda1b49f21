import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import * as bench from '../core/sizing/figures.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { run, runHere } from './support.ts';

function fileWith(content: string): string {
  const file = join(temporaryDirectory('size'), 'bench.json');
  writeFileSync(file, content);
  return file;
}

const fleet = ['--instances', '100000', '--interval', '10'];

test('size tells the replicas of a fleet, in words or as JSON', async (t) => {
  const file = fileWith(JSON.stringify(bench.benchFile([bench.run(1000), bench.run(8000)])));
  const told = await run(t, ['size', '--bench', file, ...fleet, '--outage', '10m', '--recover', '1h']);
  t.is(told.code, 0);
  t.regex(told.stdout, /^replicas +2, 5000 messages\/s each \(measured: up to 8000\/s\)$/m);
  t.regex(told.stdout, /^after an outage +of 600 s: 11667 messages\/s for 3600 s$/m);
  const json = await runHere(['size', '--bench', file, ...fleet, '--json']);
  t.like(JSON.parse(json.stdout), { replicas: 2, connections: 16, transport: 'nats' });
});

test('size names the option, the file or the field that is wrong', async (t) => {
  const file = fileWith(JSON.stringify(bench.benchFile([])));
  const refused = async (args: string[], line: RegExp) => {
    const { code, errors } = await runHere(['size', ...args]);
    t.is(code, 2);
    t.regex(errors.join('\n'), line);
  };
  await refused(['--bench', file, ...fleet], /bench\.json: the file has no run with one replica/);
  await refused(['--bench', '/nowhere/bench.json', ...fleet], /\/nowhere\/bench\.json: cannot read the file/);
  await refused(
    ['--bench', file, ...fleet, '--headroom', '2'],
    /--headroom: must be above 0 and at most 1, not 2/,
  );
  await refused(['--bench', fileWith('[]'), ...fleet], /is no result file of the bench/);
});
