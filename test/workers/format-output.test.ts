import { spawnSync } from 'node:child_process';
import test from 'ava';
import fc from 'fast-check';
import { decode } from '../../src/workers/batch/read.ts';
import { formatOutput } from '../../src/workers/methods/notify/format-output.ts';
import { eventOf } from '../../src/workers/methods/notify/notification.ts';
import { createManager } from '../../src/workers/methods/table.ts';
import { cpuOf } from '../support/cpu.ts';
import { onlyIf } from '../support/services.ts';
import { hasTrove, python, withoutTrove } from '../support/trove.ts';
import { raw, workerSettings } from '../support/worker.ts';

const manager = createManager();

/** Texts and names that have to be the same as Trove's. */

test('short lines are unchanged', (t) => {
  t.is(formatOutput('one: two. three (four)\nfive\n'), 'one: two. three (four)\nfive\n');
  t.is(formatOutput(''), '');
});

test('a long text ends in dots', (t) => {
  t.is(formatOutput('x'.repeat(300), 255), `${'x'.repeat(252)}...`);
  t.is(formatOutput('x'.repeat(255), 255), 'x'.repeat(255));
  t.is(Array.from(formatOutput('😀'.repeat(300), 255)).length, 255);
});

/** 250,000 characters each, as many as a body may have. */
const hostile: ReadonlyArray<readonly [what: string, lines: ReadonlyArray<string>]> = [
  ['sentences', lines('. ')],
  ['words of sentences', lines('It broke. ')],
  ['parentheses', lines(' (')],
  ['colons', lines(': ')],
  ['colons before parentheses', lines(': (')],
  ['all of them in turn', lines('. : (')],
  ['all of them far apart', lines(`${'x'.repeat(81)}. ${'x'.repeat(81)}: ${'x'.repeat(81)} (`)],
  ['one of them behind the others', lines('. ', `${'x'.repeat(4000)}: `)],
  ['pairs of surrogates', lines('😀: ')],
  ['pairs of surrogates without anything between', lines('😀')],
  ['one line of sentences', ['It broke. '.repeat(25_000)]],
  ['one line of colons', [': '.repeat(125_000)]],
  ['one line of nothing', ['x'.repeat(250_000)]],
  ['blanks', lines(' ')],
  ['lines within a line', ['x. \n'.repeat(62_500)]],
  ['long lines within a line', [`${'x. '.repeat(40)}\n`.repeat(2000)]],
  ['ends of lines', ['\r\n'.repeat(125_000)]],
  ['short lines', Array.from({ length: 50_000 }, () => 'x: y\n')],
];

function lines(pattern: string, end = ''): ReadonlyArray<string> {
  return Array.from({ length: 25 }, () => pattern.repeat(10_000 / pattern.length) + end);
}

for (const [what, exception] of hostile) {
  test(`an exception of ${what} takes less than 50 ms of CPU`, (t) => {
    const serialized = {
      notification_classname: 'trove.common.notification.DBaaSInstanceCreate',
      ...{ instance_id: 'i', tenant_id: 't', client_ip: 'c', server_ip: 's', server_type: 'guest' },
      request_id: 'r',
    };
    const args = { serialized_notification: serialized, message: exception.join(''), exception };
    const body = JSON.stringify({ method: 'notify_exc_info', args });
    const formatting = cpuOf(() => formatOutput(exception), { bound: 50 });
    t.true(formatting < 50, `the traceback: ${formatting} ms`);
    const reading = () => decode(raw(body), 0, 'plain', manager, workerSettings(''));
    // The message is formatted too.
    const all = cpuOf(reading, { bound: 100 });
    t.true(all < 100, `the whole message: ${all} ms`);
  });
}

test('formatting changes only line ends and indents', (t) => {
  const piece = fc.constantFrom('. ', ' (', ': ', 'abc', 'x'.repeat(75), '😀'.repeat(20), ' ', '(', '.', ':');
  const property = fc.property(fc.array(piece, { maxLength: 200 }), (pieces) => {
    const bare = (text: string) => text.replaceAll(/\s/g, '');
    t.is(bare(formatOutput(pieces.join(''))), bare(pieces.join('')));
  });
  fc.assert(property);
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

besideTrove("our format of faults is the same as Trove's", (t) => {
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

besideTrove("every class of Trove's notifications has the same event type as in Trove", (t) => {
  const program = `
import json
from trove.common import notification as n
print(json.dumps({c.__module__ + '.' + c.__name__: c(None, request_id='r').event_type()
                  for c in n.DBaaSAPINotification.__subclasses__()}))`;
  const events = Object.entries(askTrove(program, null));
  t.true(events.length > 30);
  for (const [name, event] of events) t.is(eventOf({ notification_classname: name }), event, name);
});
