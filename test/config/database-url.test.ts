import test from 'ava';
import fc from 'fast-check';
import { parseDatabaseUrl } from '../../src/core/config/database-url.ts';
import { ConfigError } from '../../src/core/errors.ts';
import { read } from './support.ts';

const refusal = (url: string) => {
  try {
    read(`database: { url: ${JSON.stringify(url)} }`);
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
  return undefined;
};

test('a URL names one or several servers, each with its port', (t) => {
  const hosts = (url: string) =>
    parseDatabaseUrl(url).hosts.map(({ host, port }) => `${host} ${port ?? 'default'}`);
  t.deepEqual(hosts('postgresql://db/trove'), ['db default']);
  t.deepEqual(hosts('postgres://u:p@db:5433/trove'), ['db 5433']);
  t.deepEqual(hosts('postgresql://u@h1:1,h2:2/db'), ['h1 1', 'h2 2']);
  t.deepEqual(hosts('postgresql://u@h1,h2/db?port=7'), ['h1 7', 'h2 7']);
  t.deepEqual(hosts('postgresql://u@/db?host=h1,h2&port=7,8'), ['h1 7', 'h2 8']);
  t.deepEqual(hosts('postgresql://[::1]:5433,[fe80::1]/db'), ['::1 5433', 'fe80::1 default']);
  t.deepEqual(hosts('postgresql://%2Frun%2Fpostgresql/db'), ['/run/postgresql default']);
  t.deepEqual(hosts('postgresql:///db?host=/run/postgresql'), ['/run/postgresql default']);
});

test('if there are several servers, a writable one is required, unless the URL says otherwise', (t) => {
  const session = (url: string) => parseDatabaseUrl(url).session;
  t.is(session('postgresql://h1/db'), 'any');
  t.is(session('postgresql://h1/db?target_session_attrs=read-write'), 'read-write');
  t.is(session('postgresql://h1,h2/db'), 'read-write');
  t.is(session('postgresql://h1,h2/db?target_session_attrs=any'), 'any');
  t.is(session('postgresql://h1,h2/db?target_session_attrs=primary'), 'primary');
});

test('any user, password and database can be read back from the URL', (t) => {
  const text = fc.string({ minLength: 1, unit: 'grapheme' }).filter((one) => one.isWellFormed());
  t.notThrows(() =>
    fc.assert(
      fc.property(text, text, text, (user, password, database) => {
        const [u, p, d] = [user, password, database].map(encodeURIComponent);
        const inFront = parseDatabaseUrl(`postgresql://${u}:${p}@h1,h2/${d}`);
        const behind = parseDatabaseUrl(`postgresql://h1,h2?user=${u}&password=${p}&dbname=${d}`);
        return [inFront, behind].every(
          (url) => url.user === user && url.password === password && url.database === database,
        );
      }),
    ),
  );
});

for (const [url, message] of [
  ['', 'is required: a URL that starts with postgresql:// or postgres://'],
  ['mysql://db/trove', 'must be a URL that starts with postgresql:// or postgres://'],
  ['db', 'must be a URL that starts with postgresql:// or postgres://'],
  ['postgresql://u:100%@db/trove', 'must have a % in its user or password written as %25'],
  ['postgresql://db/100%', 'must have a % in its path written as %25'],
  ['postgresql://db:0/trove', 'must have ports from 1 to 65535'],
  ['postgresql://db:port/trove', 'must have its hosts written as host:port,host:port'],
  ['postgresql://h1,h2,h3/db?port=1,2', 'names 3 hosts and 2 ports'],
  [
    'postgresql://db?sslmode=yes',
    'has a sslmode that is not one of disable, allow, prefer, require, verify-ca, verify-full',
  ],
  [
    'postgresql://db?sslmode=verify-ca',
    'has sslmode=verify-ca, which needs sslrootcert: the file with the authority',
  ],
  [
    'postgresql://db?target_session_attrs=standby',
    'has a target_session_attrs that is not one of any, read-write, primary: the conductor writes',
  ],
  [
    'postgresql://db?sslcrl=file',
    'has the parameter sslcrl, which the conductor does not know; leave it out',
  ],
] as const) {
  test(`${url || 'an empty URL'} is refused in one line`, (t) => {
    t.is(refusal(url), `database.url: ${message}`);
  });
}

test('a blank in options may be written in the form of programs or of libpq', (t) => {
  for (const written of ['-c+role=x', '-c%20role%3Dx'])
    t.is(parseDatabaseUrl(`postgresql://db?options=${written}`).options, '-c role=x');
  t.is(parseDatabaseUrl('postgresql://db?password=a+b').password, 'a+b');
});

test('parameters that have a key of their own are allowed in the URL', (t) => {
  t.is(refusal('postgresql://db/trove?statement_timeout=0&lock_timeout=0&connect_timeout=1'), undefined);
  t.is(refusal('postgresql://db/trove?application_name=x&uselibpqcompat=true&sslmode=require'), undefined);
});
