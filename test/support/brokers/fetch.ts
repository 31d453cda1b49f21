/**
 * `npm run brokers [name ...]`: fetches the brokers named, or all, with the public clients of their registries, into the folder
 * where the tests look. Exits with 1 if one cannot be had; a broker whose tools are not installed is passed over and said.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { messageOf } from '../../../src/core/errors.ts';
import { findProgram } from '../processes.ts';
import { type BrokerName, brokerNames, folderOf, projectFile, toolsOf, versionOf } from './catalog.ts';

const asked = process.argv.slice(2);
const unknown = asked.filter((name) => !brokerNames.some((one) => one === name));
if (unknown.length > 0) throw new Error(`no such broker: ${unknown.join(', ')}; there are ${brokerNames}`);
for (const name of brokerNames.filter((one) => asked.length === 0 || asked.includes(one))) fetch(name);

function fetch(name: BrokerName): void {
  const [folder, begin] = [folderOf(name), performance.now()];
  const missing = [...toolsOf(name)].filter(([program]) => findProgram(program) === undefined);
  if (existsSync(folder)) console.log(`${name} ${versionOf(name)}: is there`);
  else if (missing.length > 0)
    console.log(`${name}: not fetched, for want of ${missing.map(([program]) => program).join(' and ')}`);
  else
    try {
      download(name, folder);
      const seconds = ((performance.now() - begin) / 1000).toFixed(0);
      console.log(`${name} ${versionOf(name)}: fetched in ${seconds} s`);
    } catch (error) {
      console.error(`${name}: ${messageOf(error)}`);
      process.exitCode = 1;
    }
}

/** Whole or not at all: what is interrupted is begun anew. */
function download(name: BrokerName, folder: string): void {
  const partial = `${folder}.partial`;
  rmSync(partial, { recursive: true, force: true });
  mkdirSync(partial, { recursive: true });
  if (name === 'nats-server') {
    const module = `github.com/nats-io/nats-server/v2@v${versionOf(name)}`;
    // Without optimization and debug information the build takes two thirds of the time.
    run('go', ['install', '-gcflags=all=-N -l', '-ldflags=-s -w', module], { GOBIN: partial });
  } else {
    const goal = ['dependency:copy-dependencies', '-DincludeScope=runtime', `-DoutputDirectory=${partial}`];
    run('mvn', ['--batch-mode', '--quiet', '--file', projectFile, '--activate-profiles', name, ...goal]);
  }
  renameSync(partial, folder);
}

function run(program: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): void {
  execFileSync(program, args, {
    stdio: ['ignore', 'inherit', 'inherit'],
    cwd: dirname(projectFile),
    env: { ...process.env, ...env },
  });
}
