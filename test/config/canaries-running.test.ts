import ava, { type ExecutionContext } from 'ava';
import { stringify } from 'yaml';
import { runConductor } from '../support/conductor.ts';
import { createDatabase } from '../support/database.ts';
import { freePort } from '../support/ports.ts';
import { startProxy } from '../support/proxy.ts';
import { needs, service } from '../support/services.ts';
import { waitFor } from '../support/wait.ts';
import { canaries, canary, fileWith, masterKeys } from './canary-support.ts';

const test = needs(ava, 'postgres');

const quoting = new URL('./programs/quoting-transport.ts', import.meta.url).pathname;

/** One transport for each canary, whose errors quote its secrets. */
const transports = Object.fromEntries(
  canaries.map((secret, index) => [
    `t${index}`,
    {
      kind: quoting,
      password: secret,
      url: `quoting://user:${encodeURIComponent(secret)}@127.0.0.1`,
      auth: { key: `${secret} key` },
    },
  ]),
);
const token = 'canary token of the operators';

/** A replica with all canaries, and requests to its admin interface. */
async function start(t: ExecutionContext) {
  const { url, query } = await createDatabase(t, { migrated: true });
  const proxy = await startProxy(service('postgres').port);
  t.teardown(proxy.stop);
  const port = await freePort();
  const database = new URL(proxy.url(url));
  database.password = encodeURIComponent('pass:canary@word');
  const configuration = stringify({
    database: { url: database.href },
    log: { level: 'trace' },
    reconnect: { base: 50, max: 200 },
    keys: { masterKeyFile: fileWith(masterKeys.present, 'key') },
    admin: { port, tokenFile: fileWith(token, 'token') },
    transports,
  });
  const variables = { CONDUCTOR_KEYS__PREVIOUS_MASTER_KEY: masterKeys.previous };
  const conductor = runConductor(
    t,
    ['start', '--config', fileWith(configuration, 'conductor.yaml')],
    variables,
  );
  const ask = async (path: string, headers: Record<string, string> = {}, method = 'GET') => {
    const answer = await fetch(`http://127.0.0.1:${port}${path}`, { method, headers });
    return { text: await answer.text(), headers: JSON.stringify([...answer.headers]) };
  };
  await waitFor(async () => (await ask('/health')).text.includes('"lastError"'), {
    what: 'the page of the replica',
    timeout: 60_000,
    process: conductor,
  });
  return { conductor, proxy, query, ask, port };
}

test('the admin interface and the log of a replica show no part of a secret, whatever its errors quote', async (t) => {
  const { conductor, proxy, query, ask, port } = await start(t);
  const bearer = { authorization: `Bearer ${token}` };
  const health = await waitFor(
    async () => {
      const { text } = await ask('/health');
      return (text.match(/"lastError":"/g)?.length ?? 0) === canaries.length && text;
    },
    { what: 'an error of each transport', process: conductor },
  );
  t.true(health.includes('***, '));
  t.notRegex(health, canary);
  await query(
    `INSERT INTO dead_letters (transport, reason, body, body_size, body_digest) VALUES ('t0', 'not_json', '{', 1, sha256('{'))`,
  );
  const paths = [
    '/metrics',
    '/',
    '/session',
    '/health/live',
    '/health/ready',
    '/api/instance?id=i1',
    '/api/letters',
    '/api/letter?id=1',
    '/nowhere',
  ];
  for (const path of paths)
    for (const headers of [bearer, { authorization: 'Bearer canary-wrong' }, {}]) {
      const { text, headers: given } = await ask(path, headers);
      t.notRegex(text + given, canary, path);
    }
  const signedIn = await ask('/session', { ...bearer, origin: `http://127.0.0.1:${port}` }, 'POST');
  t.notRegex(signedIn.text + signedIn.headers, canary);

  // With the database away there are more errors.
  proxy.refuse();
  proxy.cut();
  const held = await waitFor(
    async () => {
      const { text } = await ask('/health');
      return text.includes('"heldBecause"') && text;
    },
    { what: 'a hold', process: conductor },
  );
  t.notRegex(held, canary);
  t.notRegex((await ask('/api/letters', bearer)).text, canary);
  t.notRegex(await firstState(port), canary);
  await conductor.kill();
  t.true(conductor.output().includes('not connected'));
  t.notRegex(conductor.output(), canary);
});

/** What a page that watches gets, until its first whole state has come. */
async function firstState(port: number): Promise<string> {
  const leaving = new AbortController();
  const answer = await fetch(`http://127.0.0.1:${port}/api/live`, { signal: leaving.signal });
  let text = '';
  const decoder = new TextDecoder();
  for await (const chunk of answer.body ?? []) {
    text += decoder.decode(chunk, { stream: true });
    if (/event: state\n.*"problem":".*\n\n/.test(text)) break;
  }
  leaving.abort();
  return text;
}
