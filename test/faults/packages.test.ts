import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';

/** `npm run audit` and `npm run sbom`. They start npm several times, which is slow. */

const root = fileURLToPath(new URL('../..', import.meta.url));
const json = (file: string): unknown => JSON.parse(readFileSync(`${root}${file}`, 'utf8'));

/** Runs a script of npm. */
function run(
  script: string,
  variables: Record<string, string> = {},
): Promise<{ code: number; stdout: string; stderr: string }> {
  const env = {
    ...process.env,
    npm_config_fetch_retries: '0',
    npm_config_update_notifier: 'false',
    ...variables,
  };
  return new Promise((resolve) => {
    const child = execFile(
      'npm',
      ['run', '--silent', script],
      { cwd: root, env, maxBuffer: 64 * 1024 * 1024 },
      (_, stdout, stderr) => resolve({ code: child.exitCode ?? -1, stdout, stderr }),
    );
  });
}

test('npm run sbom prints a list in the CycloneDX form, with each dependency and no development dependency', async (t) => {
  const { code, stdout, stderr } = await run('sbom');
  t.is(code, 0, stderr);
  const list: {
    bomFormat: string;
    specVersion: string;
    serialNumber: string;
    components: { name: string; version: string; purl: string; 'bom-ref': string }[];
    dependencies: { ref: string; dependsOn: string[] }[];
  } = JSON.parse(stdout);
  t.is(list.bomFormat, 'CycloneDX');
  t.regex(list.specVersion, /^1\.[5-9]$/);
  t.regex(list.serialNumber, /^urn:uuid:[0-9a-f-]{36}$/);
  const refs = new Set(list.components.map((one) => one['bom-ref']));
  t.is(refs.size, list.components.length);
  for (const { name, version, purl } of list.components) {
    t.truthy(name);
    t.regex(version, /^\d+\.\d+\.\d+/);
    t.regex(purl, /^pkg:npm\//);
  }
  for (const [name] of Object.entries(Object(Reflect.get(Object(json('package.json')), 'dependencies'))))
    t.true(
      list.components.some((one) => one.purl.startsWith(`pkg:npm/${name.replace('@', '%40')}@`)),
      name,
    );
  // A development dependency needs this one too.
  t.true(list.components.some((one) => one.name === 'pg-protocol'));
  for (const name of ['ava', 'typescript', 'fast-check'])
    t.false(
      list.components.some((one) => one.name === name),
      name,
    );
  for (const { dependsOn } of list.dependencies) for (const ref of dependsOn) t.true(refs.has(ref), ref);
});

interface Registry {
  /** By package: the title of an advisory for all of its versions. */
  readonly advisories?: Record<string, string>;
  /** By package: its latest version, if it is not the installed one. */
  readonly latest?: Record<string, string>;
}

/** A registry that knows the packages of the lock file. Resolves with its address. */
async function startRegistry(
  t: ExecutionContext,
  { advisories = {}, latest = {} }: Registry,
): Promise<string> {
  const locked = new Map(
    Object.entries(Object(Reflect.get(Object(json('package-lock.json')), 'packages'))).map(([path, one]) => [
      path.replace(/^.*node_modules\//, ''),
      String(Reflect.get(Object(one), 'version')),
    ]),
  );
  const server = createServer((request, response) => {
    request.resume();
    const name = decodeURIComponent(request.url ?? '').slice(1);
    response.setHeader('content-type', 'application/json');
    if (request.method === 'POST') {
      const found = Object.entries(advisories).map(([vulnerable, title], id) => [
        vulnerable,
        [{ id, url: 'https://example.com/1', title, severity: 'high', vulnerable_versions: '*' }],
      ]);
      response.end(JSON.stringify(Object.fromEntries(found)));
      return;
    }
    const version = locked.get(name);
    if (version === undefined) {
      response.statusCode = 404;
      response.end('{}');
      return;
    }
    const newest = latest[name] ?? version;
    const versions = Object.fromEntries([version, newest].map((one) => [one, { name, version: one }]));
    response.end(JSON.stringify({ name, 'dist-tags': { latest: newest }, versions }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => new Promise<void>((resolve) => server.close(() => resolve())));
  const address = server.address();
  if (typeof address !== 'object' || address === null) throw new Error('the registry has no port');
  return `http://127.0.0.1:${address.port}/`;
}

test('npm run audit finds nothing if the registry knows nothing', async (t) => {
  const { code, stdout, stderr } = await run('audit', { npm_config_registry: await startRegistry(t, {}) });
  t.is(stdout, 'No known vulnerability, and each dependency is on its latest line.\n', stderr);
  t.is(code, 0);
});

test('npm run audit names a vulnerable dependency, and one that is above its latest line', async (t) => {
  const registry = await startRegistry(t, {
    advisories: { pg: 'a hole', typescript: 'a hole in a tool that is not installed' },
    latest: { commander: '14.9.9' },
  });
  const { code, stdout } = await run('audit', { npm_config_registry: registry });
  t.is(code, 1);
  // npm adds the packages by way of which it comes, as it knows them.
  t.regex(stdout, /^pg \(high\): a hole(; by way of .*)?$/m);
  t.regex(stdout, /^commander [\d.]+ is above its latest line, 14\.9\.9$/m);
  t.notRegex(stdout, /typescript/);
});

test('npm run audit says that it has checked nothing if the registry does not answer', async (t) => {
  const { code, stdout, stderr } = await run('audit', { npm_config_registry: 'http://127.0.0.1:1/' });
  t.is(code, 2);
  t.is(stdout, '');
  t.regex(stderr, /^audit: nothing was checked, because the registry does not answer: .*\nRun it where/);
});
