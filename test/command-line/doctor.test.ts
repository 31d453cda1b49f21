import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { configurationOf, runConductor } from '../support/conductor.ts';
import { createDatabase } from '../support/database.ts';
import { needs, service } from '../support/services.ts';
import { temporaryDirectory } from '../support/temporary.ts';

/** `conductor doctor` as a process: what it prints, and its exit code. */

function fileWith(database: string, edge: Readonly<Record<string, unknown>>): string {
  const file = join(temporaryDirectory('doctor'), 'conductor.yaml');
  writeFileSync(file, configurationOf({ database, transports: { edge } }));
  return file;
}

const withServices = needs(test, 'postgres', 'mosquitto');

withServices(
  'doctor ends with exit code 0 if nothing is wrong, and prints a line for each look',
  async (t) => {
    const { url } = await createDatabase(t, { migrated: true });
    const edge = { kind: 'mqtt', url: service('mosquitto').url, topic: 'doctor/+' };
    const doctor = runConductor(t, ['doctor', fileWith(url, edge)]);
    const { code } = await doctor.exited;
    t.is(code, 0, doctor.output());
    t.regex(doctor.stdout(), /^ok {7}database: sign in: signed in to test_/m);
    t.regex(doctor.stdout(), /^ok {7}transports\.edge: sign in: /m);
    t.regex(doctor.stdout(), /checks: 0 wrong/);
  },
);

test('doctor ends with exit code 1 if something is wrong, names it, and hides passwords', async (t) => {
  const edge = { kind: 'amqp091', url: 'amqp://guest:s3cret@127.0.0.1:1' };
  const file = fileWith('postgresql://conductor:s3cret@127.0.0.1:1/conductor', edge);
  const doctor = runConductor(t, ['doctor', file, '--json']);
  const { code } = await doctor.exited;
  t.is(code, 1);
  const { ok, findings } = JSON.parse(doctor.stdout());
  t.false(ok);
  t.like(findings[0], {
    subject: 'database',
    check: 'sign in',
    level: 'wrong',
    code: 'database-unreachable',
  });
  t.like(findings[1], { subject: 'transports.edge', level: 'wrong', code: 'not-connected' });
  t.notRegex(doctor.output(), /s3cret/);
  t.regex(doctor.stderr(), /^conductor: 2 things are wrong$/m);
});
