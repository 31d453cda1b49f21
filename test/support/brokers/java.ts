/** Brokers on Java, each by a small program beside this file that starts it in its own process. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Certificates, makeCertificates } from '../certificates.ts';
import { freePort } from '../ports.ts';
import { findProgram, startProcess, waitFor } from '../processes.ts';
import { password, user } from '../secure-brokers.ts';
import { type Server, startServer } from '../server.ts';
import { temporaryDirectory } from '../temporary.ts';
import { type BrokerName, folderOf } from './catalog.ts';
import {
  brokerJConfiguration,
  hiveMqConfiguration,
  type Setup,
  storePassword,
} from './java-configuration.ts';

export type JavaBrokerName = Exclude<BrokerName, 'nats-server'>;

/** A broker with a plain port, and one with TLS that asks for a client certificate. All of `users` may sign in on either. */
export interface JavaBroker extends Server {
  readonly port: number;
  readonly tlsPort: number;
  readonly certificates: Certificates;
}

/** Those of `secure-brokers.ts`, and senders whose password is their name. */
const users = new Map([
  [user, password],
  ...['guest', 'caller', 'i-77'].map((name) => [name, name] as const),
]);

interface Program {
  readonly main: string;
  args(setup: Setup): readonly string[];
}

const programs: Readonly<Record<JavaBrokerName, Program>> = {
  artemis: { main: 'Artemis', args: common },
  activemq: { main: 'ActiveMq', args: common },
  'broker-j': {
    main: 'BrokerJ',
    args(setup) {
      const file = join(setup.directory, 'initial.json');
      writeFileSync(file, JSON.stringify(brokerJConfiguration(setup)));
      return [setup.directory, file];
    },
  },
  hivemq: {
    main: 'HiveMq',
    args(setup) {
      writeFileSync(join(setup.directory, 'config.xml'), hiveMqConfiguration(setup));
      return [setup.directory, String(setup.port), ...[...setup.users].flat()];
    },
  },
};

function common({ directory, port, tlsPort, keyStore, trustStore, users }: Setup): readonly string[] {
  return [
    directory,
    String(port),
    String(tlsPort),
    keyStore,
    trustStore,
    storePassword,
    ...[...users].flat(),
  ];
}

/** Starts a broker; takes 2 to 6 s. What is durable survives `restart()`. */
export async function startJavaBroker(name: JavaBrokerName): Promise<JavaBroker> {
  const directory = temporaryDirectory(name);
  const certificates = makeCertificates();
  const [port, tlsPort] = [await freePort(), await freePort()];
  const setup = { directory, port, tlsPort, users, ...makeStores(certificates) };
  const { main, args } = programs[name];
  const classPath = `${folderOf(name)}/*`;
  const source = fileURLToPath(new URL(`${main}.java`, import.meta.url));
  const classes = join(directory, 'classes');
  mkdirSync(classes);
  execFileSync('javac', ['-proc:none', '-nowarn', '-cp', classPath, '-d', classes, source], {
    stdio: 'pipe',
  });
  // Of two cores one is left to the tests; the heap is that of a small machine.
  const options = [
    '-Xmx512m',
    '-XX:+UseSerialGC',
    '-XX:TieredStopAtLevel=1',
    `-Djava.io.tmpdir=${directory}`,
  ];
  const command = [...options, '-cp', `${classes}:${classPath}`, main, ...args(setup)];
  const server = await startServer(async () => {
    const child = startProcess(findProgram('java') ?? 'java', command, { cwd: directory });
    const ready = () => /^ready$/m.test(child.stdout());
    await waitFor(ready, { what: `${name} to start`, timeout: 60_000, process: child });
    return child;
  });
  return Object.assign(server, { port, tlsPort, certificates });
}

/** The server's certificate and the authority, in the form that Java reads. */
function makeStores({ ca, server }: Certificates): { keyStore: string; trustStore: string } {
  const directory = temporaryDirectory('stores');
  const [keyStore, trustStore] = [join(directory, 'keys.p12'), join(directory, 'trust.p12')];
  const chain = join(directory, 'chain.pem');
  writeFileSync(chain, readFileSync(server.cert, 'utf8') + readFileSync(ca, 'utf8'));
  const secret = `pass:${storePassword}`;
  const files = ['-inkey', server.key, '-in', chain, '-out', keyStore];
  execFileSync('openssl', ['pkcs12', '-export', ...files, '-passout', secret], { stdio: 'pipe' });
  const store = ['-keystore', trustStore, '-storetype', 'PKCS12', '-storepass', storePassword];
  execFileSync('keytool', ['-importcert', '-noprompt', '-alias', 'ca', '-file', ca, ...store], {
    stdio: 'pipe',
  });
  return { keyStore, trustStore };
}
