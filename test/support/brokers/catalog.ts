/** The brokers that no test run takes from the system: which versions, where they lie once they are fetched, and what fetches them. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findProgram } from '../processes.ts';

export const brokerNames = ['nats-server', 'artemis', 'broker-j', 'activemq', 'hivemq'] as const;

export type BrokerName = (typeof brokerNames)[number];

/** The profiles' versions are written there. */
export const projectFile = fileURLToPath(new URL('pom.xml', import.meta.url));

/** Needs the Go that its go.mod names. */
const natsVersion = '2.15.3';

export function versionOf(name: BrokerName): string {
  if (name === 'nats-server') return natsVersion;
  const version = new RegExp(`<${name}>(.+)</${name}>`).exec(readFileSync(projectFile, 'utf8'))?.[1];
  if (version === undefined) throw new Error(`${projectFile} has no property ${name}`);
  return version;
}

/** Where a broker lies, or is to lie: a program, or the JAR files of one. */
export function folderOf(name: BrokerName): string {
  const cache = fileURLToPath(new URL('../../../node_modules/.cache/brokers', import.meta.url));
  return join(cache, `${name}-${versionOf(name)}`);
}

/** The programs without which a broker cannot be fetched and run, and Debian's packages with them. */
export function toolsOf(name: BrokerName): ReadonlyMap<string, string> {
  return name === 'nats-server'
    ? new Map([['go', 'golang']])
    : new Map([
        ['mvn', 'maven'],
        ['javac', 'default-jdk-headless'],
      ]);
}

/** Why a broker cannot be started, and how to get it; undefined: it can. */
export function whyMissing(name: BrokerName): string | undefined {
  const run = name === 'nats-server' ? [] : ['java', 'javac'];
  if (existsSync(folderOf(name)) && run.every((program) => findProgram(program) !== undefined))
    return undefined;
  const packages = [...toolsOf(name)].filter(([program]) => findProgram(program) === undefined);
  const install =
    packages.length === 0 ? '' : `apt-get install ${packages.map(([, one]) => one).join(' ')}; `;
  return `${name} ${versionOf(name)} is not fetched: ${install}npm run brokers ${name}`;
}
