import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort, isListening } from './ports.ts';
import { findProgram, type Process, startProcess, waitFor } from './processes.ts';
import { type Rabbitmq, rabbitmqAt } from './rabbitmq-api.ts';
import { type Run, type Server, startServer } from './server.ts';
import { temporaryDirectory } from './temporary.ts';

export interface RabbitmqOptions {
  /** Further lines of rabbitmq.conf. */
  readonly settings?: readonly string[];
  /** Settings of the application `rabbit` that rabbitmq.conf does not know, as Erlang terms: `{channel_tick_interval, 1000}`. */
  readonly advanced?: readonly string[];
  /** Plugins beside the management and AMQP 1.0. */
  readonly plugins?: readonly string[];
  /** Of one node of a cluster, where the cluster knows them beforehand. */
  readonly ports?: RabbitmqPorts;
}

export interface RabbitmqPorts {
  readonly amqp: number;
  readonly management: number;
  /** Between the nodes of a cluster; a node of its own wants it all the same. */
  readonly cluster: number;
  /** Of epmd, Erlang's port mapper. */
  readonly mapper: number;
  /** The nodes of a cluster share it: then it runs already. */
  readonly mapperRuns?: true;
}

export interface RabbitmqControl {
  /** Runs `rabbitmqctl`. Rejects if it fails. */
  control(...args: string[]): Promise<void>;
}

/** Ports of a node, with those given. */
export async function rabbitmqPorts(given: Partial<RabbitmqPorts> = {}): Promise<RabbitmqPorts> {
  return {
    amqp: await freePort(),
    management: await freePort(),
    cluster: await freePort(),
    mapper: given.mapper ?? (await freePort()),
    ...given,
  };
}

/** The name of a node in its cluster. */
export function nodeName({ amqp }: RabbitmqPorts): string {
  return `conductor-${amqp}@localhost`;
}

/** Debian's wrapper in /usr/sbin insists on root and on the system's own node: this is the script behind it. */
const folders = ['/usr/lib/rabbitmq/bin'];

/** The start script's path; undefined where it is not installed. */
export function findRabbitmq(): string | undefined {
  return findProgram('rabbitmq-server', folders);
}

/**
 * Starts a RabbitMQ node of our own, beside any other: its own name, ports, cookie, directories and port mapper. Speaks
 * AMQP 0-9-1 and 1.0. What is durable survives `restart()` and `kill()`. A start takes 7 s on two cores.
 */
export async function startRabbitmq(
  options: RabbitmqOptions = {},
): Promise<Rabbitmq & Server & RabbitmqControl> {
  const program = findRabbitmq();
  if (program === undefined) throw new Error('rabbitmq-server is not installed');
  const ports = options.ports ?? (await rabbitmqPorts());
  const directory = temporaryDirectory('rabbitmq');
  writeFiles(directory, ports, options);
  const env = environment(directory, ports);
  const server = await startServer(() => run(program, env, ports));
  return Object.assign(server, rabbitmqAt(ports.amqp, ports.management), {
    control: (...args: string[]) => control(env, ports, args),
  });
}

async function control(
  env: Record<string, string | undefined>,
  ports: RabbitmqPorts,
  args: ReadonlyArray<string>,
): Promise<void> {
  const program = findProgram('rabbitmqctl', folders);
  if (program === undefined) throw new Error('rabbitmqctl is not installed');
  const common = ['--node', nodeName(ports), '--erlang-cookie', 'conductor'];
  const run = startProcess(program, [...common, ...args], { env });
  const { code } = await run.exited;
  if (code !== 0) throw new Error(`rabbitmqctl ${args.join(' ')} ended with ${code}: ${run.output()}`);
}

/** Figures are sampled every second and kept for a minute; the plain configuration file knows no less than 5 s. */
const sampling = `{rabbitmq_management, [{sample_retention_policies,
  [{global, [{60, 1}]}, {basic, [{60, 1}]}, {detailed, [{60, 1}]}]}]}`;

function writeFiles(
  directory: string,
  ports: RabbitmqPorts,
  { settings = [], advanced = [], plugins = [] }: RabbitmqOptions,
): void {
  mkdirSync(join(directory, 'home'));
  writeFileSync(join(directory, 'advanced.config'), `[{rabbit, [${advanced.join(', ')}]}, ${sampling}].\n`);
  const enabled = ['rabbitmq_management', 'rabbitmq_amqp1_0', ...plugins];
  writeFileSync(join(directory, 'plugins'), `[${enabled.join(',')}].\n`);
  const lines = [
    `listeners.tcp.1 = 127.0.0.1:${ports.amqp}`,
    'management.tcp.ip = 127.0.0.1',
    `management.tcp.port = ${ports.management}`,
    // In milliseconds; 5 s by default. With the sampling below it bounds the age of the figures that tests wait for.
    'collect_statistics_interval = 500',
    'log.file = false',
    'log.console = true',
    'log.console.level = info',
    ...settings,
  ];
  writeFileSync(join(directory, 'rabbitmq.conf'), `${lines.join('\n')}\n`);
}

function environment(directory: string, ports: RabbitmqPorts): Record<string, string | undefined> {
  return {
    PATH: process.env.PATH,
    LANG: 'C.UTF-8',
    HOME: join(directory, 'home'),
    ERL_EPMD_ADDRESS: '127.0.0.1',
    ERL_EPMD_PORT: String(ports.mapper),
    RABBITMQ_NODENAME: nodeName(ports),
    RABBITMQ_DIST_PORT: String(ports.cluster),
    RABBITMQ_MNESIA_BASE: join(directory, 'mnesia'),
    RABBITMQ_LOG_BASE: join(directory, 'log'),
    RABBITMQ_GENERATED_CONFIG_DIR: join(directory, 'generated'),
    RABBITMQ_ENABLED_PLUGINS_FILE: join(directory, 'plugins'),
    RABBITMQ_CONFIG_FILE: join(directory, 'rabbitmq.conf'),
    RABBITMQ_ADVANCED_CONFIG_FILE: join(directory, 'advanced.config'),
    // The system's is not for us; this does not exist.
    RABBITMQ_CONF_ENV_FILE: join(directory, 'rabbitmq-env.conf'),
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS:
      '+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none -setcookie conductor',
    // The start script looks at this: with it, it becomes the node, instead of a shell that waits for the node.
    detached: 'true',
  };
}

async function run(
  program: string,
  env: Record<string, string | undefined>,
  ports: RabbitmqPorts,
): Promise<Run> {
  const mapper = ports.mapperRuns ? undefined : await startMapper(ports.mapper, env);
  const node = startProcess(program, [], { env });
  // The management API and the port answer earlier, when the node is not done yet.
  const ready = () => node.output().includes('Server startup complete');
  await waitFor(ready, { what: 'RabbitMQ to start', timeout: 90_000, process: node });
  return {
    pid: node.pid,
    output: node.output,
    stop: () => node.stop().finally(mapper?.kill),
    kill: () => node.kill().finally(mapper?.kill),
  };
}

/** Erlang would start it for us, out of our sight, and leave it behind. */
export async function startMapper(port: number, env: Record<string, string | undefined>): Promise<Process> {
  const mapper = startProcess('epmd', ['-port', String(port), '-address', '127.0.0.1'], { env });
  await waitFor(() => isListening(port), { what: 'epmd to listen', process: mapper });
  return mapper;
}
