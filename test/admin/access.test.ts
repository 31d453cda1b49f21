import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request as plainRequest } from 'node:http';
import test from 'ava';
import { mostWatchers } from '../../src/admin/live.ts';
import { makeCertificates } from '../support/certificates.ts';
import { findProgram } from '../support/processes.ts';
import { needs, onlyIf, services } from '../support/services.ts';
import { waitFor } from '../support/wait.ts';
import { adminOfFile, token, tokenFile } from './access-support.ts';

const adminTest = needs(test, 'postgres');
const serve = adminOfFile(test);

const content: readonly [path: string, method: string][] = [
  ['/api/letters', 'GET'],
  ['/api/letter?id=1', 'GET'],
  ['/api/letter/body?id=1', 'PUT'],
  ['/api/letters/redrive?ids=1', 'POST'],
  ['/session', 'POST'],
];
const readable = ['/', '/health', '/metrics', '/api/instance?id=a', '/session', '/page/main.js'];
const state = [...readable, '/api/live', '/x'];

adminTest('on loopback the state needs no token, but content and changes do', async (t) => {
  const { ask, source } = await serve(t, { tokenFile: tokenFile() });
  for (const path of readable) t.is((await ask(path)).status, 200, path);
  for (const [path, method] of content) {
    const { status, headers, text } = await ask(path, { method, headers: { authorization: 'Bearer wrong' } });
    t.is(status, 401, path);
    t.regex(String(headers['www-authenticate']), /^Bearer/);
    t.like(JSON.parse(text), { code: 'admin-sign-in' });
    t.is((await ask(path, { method })).status, 401, path);
  }
  t.deepEqual(source.asked, [['explain', 'a']]);
  for (const path of ['/api/letters', '/api/letter?id=1'])
    t.is((await ask(path, { method: 'HEAD' })).status, 401, path);
  t.is((await ask('/api/letters', { method: 'OPTIONS' })).status, 404);
});

adminTest('on another address only the probes answer without the token', async (t) => {
  const { ask, bearer, lines } = await serve(t, { host: '0.0.0.0', tokenFile: tokenFile() });
  t.is((await ask('/health/live')).status, 200);
  t.is((await ask('/health/ready')).status, 503);
  for (const path of state) t.is((await ask(path)).status, 401, path);
  const page = await ask('/');
  t.regex(page.text, /<form id="sign-in">/);
  for (const name of page.text.match(/\/page\/[a-z-]+\.(js|css)/g) ?? [])
    t.is((await ask(name)).status, 200, name);
  for (const path of readable) t.is((await ask(path, { headers: bearer })).status, 200, path);
  t.like(lines, [{ code: 'admin-plain' }]);
});

adminTest('without a token file there is no content, and on another address only the probes', async (t) => {
  const here = await serve(t);
  for (const [path, method] of content)
    t.like(JSON.parse((await here.ask(path, { method })).text), { code: 'admin-no-token' }, path);
  const { ask, lines } = await serve(t, { host: '0.0.0.0' });
  t.is((await ask('/health/live')).status, 200);
  for (const path of state) t.is((await ask(path, { headers: here.bearer })).status, 403, path);
  t.like(lines, [{ code: 'admin-no-token' }]);
});

adminTest('openMetrics lets a metrics server in without the token, and nobody further', async (t) => {
  const { ask } = await serve(t, { host: '0.0.0.0', tokenFile: tokenFile(), openMetrics: true });
  t.is((await ask('/metrics')).status, 200);
  t.is((await ask('/health')).status, 401);
});

adminTest('each answer has the security headers, the refused ones too', async (t) => {
  const { ask } = await serve(t, { tokenFile: tokenFile() });
  const known = ['/', '/page/page.css', '/health/live', '/api/letters'];
  for (const path of [...known, '/nowhere', '/page/', '/page/../server.ts']) {
    const { headers } = await ask(path);
    const policy = String(headers['content-security-policy']);
    t.regex(policy, /default-src 'none'/, path);
    t.regex(policy, /frame-ancestors 'none'/);
    t.notRegex(policy, /unsafe|\*|http|data:/);
    t.is(headers['x-content-type-options'], 'nosniff');
    t.is(headers['referrer-policy'], 'no-referrer');
    t.is(headers['cache-control'], 'no-store');
  }
  t.is((await ask('/page/')).status, 404);
  t.is((await ask('/page/../server.ts')).status, 404);
  t.is((await ask('/page/%2e%2e/server.ts')).status, 404);
});

adminTest(
  'on loopback another host name is refused, so that no page of the internet can name this machine',
  async (t) => {
    const { ask, port } = await serve(t, { tokenFile: tokenFile() });
    for (const host of ['evil.example', `evil.example:${port}`, '127.0.0.1.evil.example', '192.0.2.1'])
      t.like(JSON.parse((await ask('/health', { headers: { host } })).text), { code: 'admin-host' }, host);
    for (const host of ['[', '[::1', ':', '::', 'a:b:c', '@', '/', '%', '127.0.0.1:x', ' localhost'])
      t.true([200, 400, 421].includes((await ask('/health', { headers: { host } })).status), host);
    t.is((await ask('/health')).status, 200);
    for (const host of [`localhost:${port}`, '127.0.0.1', `[::1]:${port}`])
      t.is((await ask('/health', { headers: { host } })).status, 200, host);
  },
);

adminTest('a browser signs in with the token and gets a cookie that no script can read', async (t) => {
  const { ask, bearer, source, port } = await serve(t, { tokenFile: tokenFile() });
  const { status, headers } = await ask('/session', { method: 'POST', headers: bearer });
  t.is(status, 200);
  const [set = ''] = headers['set-cookie'] ?? [];
  t.regex(set, new RegExp(`^conductor-${port}=.*; HttpOnly; SameSite=Strict$`));
  t.false(set.includes(token));
  const cookie = set.slice(0, set.indexOf(';'));
  t.is((await ask('/api/letters', { headers: { cookie: `other=1; ${cookie}` } })).status, 200);
  t.deepEqual(JSON.parse((await ask('/session', { headers: { cookie } })).text), {
    signedIn: true,
    hasToken: true,
  });
  const redrive = '/api/letters/redrive?ids=7';
  const origin = `http://127.0.0.1:${port}`;
  t.is((await ask(redrive, { method: 'POST', headers: { cookie, origin } })).status, 200);
  for (const other of [{}, { origin: 'http://127.0.0.1:1' }, { origin: 'null' }])
    t.is((await ask(redrive, { method: 'POST', headers: { cookie, ...other } })).status, 403);
  t.is((await ask('/api/letters', { headers: { cookie: `${cookie}x` } })).status, 401);
  t.deepEqual(source.asked.at(-1), [
    'redrive',
    {
      reason: undefined,
      transport: undefined,
      instance: undefined,
      before: undefined,
      state: undefined,
      ids: ['7'],
    },
    'status page, from 127.0.0.1',
  ]);
});

adminTest('wrong tokens leave lines in the log without them, and not one for each', async (t) => {
  const { ask, lines } = await serve(t, { tokenFile: tokenFile() });
  for (let attempt = 0; attempt < 20; attempt += 1)
    await ask('/api/letters', { headers: { authorization: `Bearer guess-${attempt}` } });
  t.is(lines.length, 3);
  t.like(lines[0], { code: 'admin-sign-in', from: '127.0.0.1' });
  t.notRegex(JSON.stringify(lines), /guess/);
});

adminTest('a changed token counts without a restart, and ends the sessions of the old one', async (t) => {
  const file = tokenFile();
  const { ask, bearer } = await serve(t, { tokenFile: file });
  const { headers } = await ask('/session', { method: 'POST', headers: bearer });
  const cookie = String(headers['set-cookie']).split(';')[0] ?? '';
  writeFileSync(file, 'another token, long enough');
  await waitFor(async () => (await ask('/api/letters', { headers: bearer })).status === 401, {
    what: 'the old token to be refused',
  });
  t.is((await ask('/api/letters', { headers: { cookie } })).status, 401);
  t.is(
    (await ask('/api/letters', { headers: { authorization: 'Bearer another token, long enough' } })).status,
    200,
  );
  rmSync(file);
  await waitFor(async () => (await ask('/session', { method: 'POST', headers: bearer })).status === 401, {
    what: 'every token to be refused',
  });
  t.is((await ask('/health')).status, 200);
});

adminTest('requests with values that no route takes are refused by name, and ask for nothing', async (t) => {
  const { ask, bearer: headers, source } = await serve(t, { tokenFile: tokenFile() });
  for (const [path, method] of [
    ['/api/instance', 'GET'],
    ['/api/instance?id=%00', 'GET'],
    [`/api/instance?id=${'a'.repeat(256)}`, 'GET'],
    ['/api/instance?id=a&id=b', 'GET'],
    ['/api/letter?id=x', 'GET'],
    ['/api/letter?id=9999999999999999999', 'GET'],
    ['/api/letters?before=-1', 'GET'],
    ['/api/letters?state=alive', 'GET'],
    ['/api/letters/redrive', 'POST'],
    ['/api/letters/redrive?ids=1,a', 'POST'],
    [`/api/letters/redrive?ids=${Array(1001).fill(1)}`, 'POST'],
    ['/api/letter/body?id=1', 'PUT'],
  ] as const) {
    const { status, text } = await ask(path, { method, headers });
    t.is(status, 400, path);
    t.regex(JSON.parse(text).error, /\w/);
  }
  const edit = async (type: string, body: string) => {
    const edited = { method: 'PUT', headers: { ...headers, 'content-type': type }, body };
    return (await ask('/api/letter/body?id=1', edited)).status;
  };
  t.is(await edit('application/json', 'x'.repeat(101)), 413);
  t.is(await edit('text/html', 'x'), 415);
  t.deepEqual(source.asked, []);
  t.is(await edit('application/json', '{ "a": 1.0 }'), 200);
  t.deepEqual(source.asked, [['edit', '1', '{ "a": 1.0 }', 'status page, from 127.0.0.1']]);
});

adminTest('only so many pages watch at once, and one that goes makes room', async (t) => {
  const { ask, source, port } = await serve(t);
  await ask('/');
  await ask('/health');
  t.is(source.looks, 0);
  const watching: ReturnType<typeof plainRequest>[] = [];
  const watch = () =>
    new Promise<number>((resolve, reject) => {
      const sent = plainRequest({ host: '127.0.0.1', port, path: '/api/live' }, (answer) => {
        answer.resume();
        // Ending it is the test's own doing.
        answer.on('error', () => {});
        resolve(answer.statusCode ?? 0);
      });
      sent.on('error', reject);
      sent.end();
      watching.push(sent);
    });
  for (let page = 0; page < mostWatchers; page += 1) t.is(await watch(), 200);
  t.is(await watch(), 503);
  await waitFor(() => source.looks > 0, { what: 'a look' });
  for (const sent of watching) sent.on('error', () => {}).destroy();
  await waitFor(async () => (await watch()) === 200, { what: 'room for a page' });
  for (const sent of watching) sent.on('error', () => {}).destroy();
});

const tlsTest = services.postgres
  ? onlyIf(test, findProgram('openssl') !== undefined, 'openssl is not installed')
  : adminTest;
tlsTest('with a certificate the interface speaks HTTPS only, and its cookie never leaves it', async (t) => {
  const { ca, server } = makeCertificates();
  const { ask, bearer, port } = await serve(t, { tokenFile: tokenFile(), tls: server });
  const answer = await ask('/session', { method: 'POST', headers: bearer, ca: readFileSync(ca, 'utf8') });
  t.is(answer.status, 200);
  t.regex(String(answer.headers['set-cookie']), /; Secure/);
  t.truthy(answer.headers['strict-transport-security']);
  await t.throwsAsync(fetch(`http://127.0.0.1:${port}/health/live`));
});

tlsTest('certificates that cannot be used are errors of the configuration', async (t) => {
  const { server, client } = makeCertificates();
  for (const tls of [
    { cert: server.cert, key: '' },
    { cert: '', key: server.key },
    { cert: server.cert, key: client.key },
    { cert: '/nowhere', key: server.key },
  ]) {
    const error = await t.throwsAsync(serve(t, { tls }));
    t.like(error, { name: 'ConfigError', code: 'admin-tls' });
  }
});
