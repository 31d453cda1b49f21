import test from 'ava';
import { stringify } from 'yaml';
import { run, runHere } from '../command-line/support.ts';
import { runConductor } from '../support/conductor.ts';
import { freePort } from '../support/ports.ts';
import { waitFor } from '../support/wait.ts';
import { canaries, fileWith, masterKeys, canary as word } from './canary-support.ts';
import { minimal, refusal } from './support.ts';

/** The configuration that has the canary in each place for a secret. */
function configurationWith(canary: string, port: number): string {
  const inUrl = encodeURIComponent(canary);
  return stringify({
    database: { url: `postgresql://user:${inUrl}@127.0.0.1:${port}/trove?sslpassword=${inUrl}` },
    log: { level: 'trace' },
    keys: { masterKeyFile: fileWith(masterKeys.present, 'key'), previousMasterKey: masterKeys.previous },
    transports: {
      url: { kind: 'amqp091', url: `amqp://user:${inUrl}@127.0.0.1:${port}` },
      own: { kind: 'mqtt', url: `mqtt://127.0.0.1:${port}`, user: 'user', password: canary },
      key: {
        kind: 'amqp091',
        url: `amqp://127.0.0.1:${port}`,
        codec: 'oslo',
        auth: { mode: 'trove', instRpcKeyEncrKey: canary },
      },
      token: { kind: 'nats', url: `nats://127.0.0.1:${port}`, token: canary },
      servers: { kind: 'nats', url: `nats://user:${inUrl}@127.0.0.1,nats://127.0.0.1:${port}` },
      bare: { kind: 'nats', url: `nats://${inUrl}@127.0.0.1:${port}` },
    },
  });
}

for (const [index, canary] of canaries.entries()) {
  test.serial(`check-config prints no part of the secret ${JSON.stringify(canary)}`, async (t) => {
    const path = fileWith(configurationWith(canary, 4));
    const variables = {
      CONDUCTOR_TRANSPORTS__OWN__PASSWORD: canary,
      CONDUCTOR_KEYS__PREVIOUS_MASTER_KEY: masterKeys.previous,
    };
    const args = ['check-config', path];
    // As a process, with what libraries print; the same file in this process takes a fifth of the time.
    const { code, stdout, errors } = await (index === 0 ? run(t, args, variables) : runHere(args, variables));
    t.is(code, 0, errors.join('\n'));
    t.notRegex(stdout, word);
    t.deepEqual(errors, []);
  });
}

test.serial('the log of a start that fails has no part of a secret', async (t) => {
  // Nobody listens there.
  const port = await freePort();
  for (const canary of canaries.slice(3, 6)) {
    const conductor = runConductor(t, ['start', '--config', fileWith(configurationWith(canary, port))]);
    await waitFor(() => conductor.stderr().includes('ECONNREFUSED'), {
      what: 'the start to fail',
      process: conductor,
    });
    await conductor.kill();
    t.notRegex(conductor.output(), word);
  }
});

for (const [what, text] of [
  ['an alias', 'password: *canary'],
  ['a tag', 'password: !canary'],
  ['a tag with a handle', 'password: !canary!canary x'],
  ['a verbatim tag', 'password: !<canary'],
  ['an escape', 'password: "\\canary"'],
  ['an escape with digits', 'password: "\\xcanary"'],
  ['a block', 'password: |canary'],
  ['a reserved character', 'password: @canary'],
  ['a percent sign', '%canary'],
  ['a colon within', 'password: canary: canary'],
  ['a quote that is not closed', 'password: "canary'],
  ['a text behind a quote', 'password: "x"canary'],
  ['a bracket', 'password: [canary'],
  ['a key without a space', 'database: { password:canary }'],
  ['a URL without a space', 'database: { url:postgresql://u:canary@db/trove }'],
  ['an equals sign', 'database: { password=canary }'],
  ['a transport without a space', 'transports: { url:amqp://u:canary@mq }'],
  ['a key in quotes', 'database: { "password: canary": 1 }'],
  ['a URL for a kind', `${minimal}\ntransports: { edge: { kind: 'amqp://u:canary@mq' } }`],
  ['a URL for a section', 'database: postgresql://u:canary@db/trove'],
  ['a URL of another scheme', 'database: { url: "http://u:canary@db" }'],
  ['a URL with a bare %', 'database: { url: "postgresql://u:canary%@db" }'],
  ['a list', 'database: { url: [canary] }'],
] as const) {
  test(`a wrong configuration with ${what} is refused, and the error does not quote the value`, (t) => {
    t.notRegex(refusal(text), word);
  });
  test(`a variable with ${what} is refused, and the error does not quote the value`, (t) => {
    const environment = {
      CONDUCTOR_MODELS: text,
      CONDUCTOR_MAX_IN_FLIGHT: text,
      CONDUCTOR_DATABASE__URL: text,
      CONDUCTOR_KEYS__MASTER_KEY: text,
      CONDUCTOR_KEYS__PREVIOUS_MASTER_KEY: text,
    };
    for (const [name, value] of Object.entries(environment))
      t.notRegex(refusal(minimal, { [name]: value }), word);
  });
}

test('a master key that is none is refused, and the error does not quote it', (t) => {
  for (const text of canaries)
    for (const name of ['masterKey', 'previousMasterKey']) {
      t.notRegex(refusal(`${minimal}\nkeys: { ${name}: ${JSON.stringify(text)} }`), word);
      const file = fileWith(text, 'key');
      t.notRegex(refusal(`${minimal}\nkeys: { ${name}File: ${file} }`).replace(file, ''), word);
    }
});
