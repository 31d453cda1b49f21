import { readFileSync } from 'node:fs';
import test from 'ava';
import { referenceFile, renderReference } from '../../scripts/configuration-reference.ts';

test('docs/configuration.md agrees with the schemas: run `npm run docs`', (t) => {
  t.is(readFileSync(referenceFile, 'utf8'), renderReference());
});

test('the reference has the meaning, default, accepted values and variable of each option', (t) => {
  const text = renderReference();
  for (const lines of [
    [
      '### `replica`',
      '- Default: the host name\n- Accepted: a text that is not empty',
      '`CONDUCTOR_REPLICA`',
    ],
    [
      '### `database.url`',
      '- Default: none, it is required\n- Accepted: a URL that starts with postgresql:// or',
    ],
    [
      '### `log.level`',
      '- Default: `"info"`\n- Accepted: `fatal`, `error`, `warn`',
      '`CONDUCTOR_LOG__LEVEL`',
    ],
    ['#### `queueArguments`', '- Default: `{}`\n- Accepted: a map', '__<NAME>__QUEUE_ARGUMENTS`'],
    ['#### `exchange`', '- Default: empty\n- Accepted: a text', '`CONDUCTOR_TRANSPORTS__<NAME>__EXCHANGE`'],
  ]) {
    const [heading = '', ...rest] = lines;
    const start = text.indexOf(`${heading}\n`);
    const end = text.indexOf('\n#', start + 1);
    for (const line of rest) t.true(text.slice(start, end).includes(line), `${heading}: ${line}`);
  }
});
