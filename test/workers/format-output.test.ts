import { spawnSync } from 'node:child_process';
import test from 'ava';
import { formatOutput } from '../../src/workers/methods/format-output.ts';
import { eventOf } from '../../src/workers/methods/notification.ts';
import { onlyIf } from '../support/services.ts';
import { hasTrove, python, withoutTrove } from '../support/trove.ts';

/** Texts and names that have to be the same as Trove's. */

test('short lines stay as they are', (t) => {
  t.is(formatOutput('one: two. three (four)\nfive\n'), 'one: two. three (four)\nfive\n');
  t.is(formatOutput(''), '');
});

test('a long text ends in dots', (t) => {
  t.is(formatOutput('x'.repeat(300), 255), `${'x'.repeat(252)}...`);
  t.is(formatOutput('x'.repeat(255), 255), 'x'.repeat(255));
  t.is(Array.from(formatOutput('😀'.repeat(300), 255)).length, 255);
});

test('a hostile text is done with soon', (t) => {
  const begin = performance.now();
  formatOutput('. : ('.repeat(50_000), 255);
  formatOutput(Array.from({ length: 20 }, () => ': '.repeat(5000)));
  t.true(performance.now() - begin < 2000);
});

const besideTrove = onlyIf(test, hasTrove, withoutTrove);

function askTrove(program: string, input: unknown): object {
  const { stdout, stderr } = spawnSync(python, ['-W', 'ignore', '-c', program], {
    input: JSON.stringify(input),
    encoding: 'utf8',
  });
  if (stdout === '') throw new Error(stderr);
  return Object(JSON.parse(stdout));
}

besideTrove('faults are formatted as Trove formats them', (t) => {
  const long = 'Failed to create the database. It was (for some reason) in the way: nothing could be done';
  const texts = [
    long,
    `${long}. ${long} (${long}): ${long}`,
    'a'.repeat(100),
    `${'a'.repeat(80)}\n${long}\r\n\n`,
    `$& ${long}. $1`,
    `${'😀'.repeat(79)}: ${'é'.repeat(90)}`,
    [
      `Server type: guest\n`,
      `  File "x.py", line 1, in ${'f'.repeat(80)}\n    raise ValueError('a: b. c (d)')\n`,
      long,
    ],
    [long, long, long],
  ];
  const program = `
import json, sys
from trove.common.utils import format_output
print(json.dumps([[format_output(t, truncate_len=255), format_output(t)] for t in json.load(sys.stdin)]))`;
  t.deepEqual(
    texts.map((text) => [formatOutput(text, 255), formatOutput(text)]),
    askTrove(program, texts),
  );
});

besideTrove('every class of Trove’s notifications has the event that it has there', (t) => {
  const program = `
import json
from trove.common import notification as n
print(json.dumps({c.__module__ + '.' + c.__name__: c(None, request_id='r').event_type()
                  for c in n.DBaaSAPINotification.__subclasses__()}))`;
  const events = Object.entries(askTrove(program, null));
  t.true(events.length > 30);
  for (const [name, event] of events) t.is(eventOf({ notification_classname: name }), event, name);
});
