import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { errorCodes } from '../../src/core/error-codes.ts';
import { ConfigError, errorCodeOf, NotConnected } from '../../src/core/errors.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const page = readFileSync(`${root}docs/errors.md`, 'utf8');

const sources = readdirSync(`${root}src`, { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ts'))
  .map((path) => ({ path, text: readFileSync(`${root}src/${path}`, 'utf8') }));

test('docs/errors.md has an entry for each code, and no other', (t) => {
  const entries = [...page.matchAll(/^### (.+)$/gm)].map(([, code]) => code);
  t.deepEqual(entries.toSorted(), [...errorCodes].toSorted());
  for (const entry of page.split(/^### .+$/m).slice(1)) t.true(entry.trim().length > 40, entry);
});

/** A line of the log that an operator has to read: a warning, an error, or one that is an error at first. */
const calls = /\.(?:warn|error|fatal)\(|'(?:error|warn)' : '(?:debug|info)'\]\(/g;

/** These pass lines on that have their codes already, or are no lines of the log. */
const withoutLines = ['client/', 'workers/postgres/pool.ts', 'transports/nats/connect.ts'];

test('every line of the log for operators has a code', (t) => {
  const lines = sources
    .filter(({ path }) => !withoutLines.some((other) => path.startsWith(other)))
    .flatMap(({ path, text }) =>
      [...text.matchAll(calls)].map(({ index, 0: call }) => ({
        path,
        call,
        rest: text.slice(index + call.length, index + call.length + 40),
      })),
    );
  t.true(lines.length > 40, `${lines.length}`);
  t.deepEqual(
    lines.filter(({ rest }) => !/^\s*\{\s*code\b/.test(rest)),
    [],
  );
});

test('each code is used, and no other is', (t) => {
  const known = new Set<string>(errorCodes);
  const written = sources
    .filter(({ path }) => path !== 'core/error-codes.ts' && path !== 'core/hold-causes.ts')
    .map(({ text }) => text)
    .join('');
  for (const code of known) t.true(written.includes(`'${code}'`), code);
  for (const [, code = ''] of written.matchAll(/\{ (?:\.\.\.cause, )?code: '([^']+)'/g))
    t.true(known.has(code), code);
});

test('every error for an operator has a code, and a wrapped one keeps it', (t) => {
  t.is(new ConfigError('x').code, 'configuration');
  t.is(new NotConnected('x').code, 'not-connected');
  t.is(errorCodeOf(new ConfigError('x', { code: 'broker-tls' })), 'broker-tls');
  t.is(errorCodeOf(new TypeError('x')), 'fault');
  t.is(errorCodeOf(Object.assign(new Error('x'), { code: 'ECONNREFUSED' })), 'fault');
});
