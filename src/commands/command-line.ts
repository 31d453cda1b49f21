import { InvalidArgumentError } from 'commander';
import type { Config } from '../core/config/load.ts';
import type { Masking } from '../core/config/secrets.ts';

/** Milliseconds in which a second signal counts as the first: npm passes on a Ctrl-C that the terminal has sent already. */
const sameSignal = 500;

/** What reads a configuration. It is loaded when a command reads one, because `--help` and the like need none. */
async function configuration() {
  const [load, secrets, transports] = await Promise.all([
    import('../core/config/load.ts'),
    import('../core/config/secrets.ts'),
    import('../transports/index.ts'),
  ]);
  return { ...load, ...secrets, ...transports };
}
type Configuration = Awaited<ReturnType<typeof configuration>>;

/** What a command reads beside its arguments, and where it writes to. */
export interface Surroundings {
  readonly variables: NodeJS.ProcessEnv;
  /** To standard output. */
  write(text: string): void;
  /** To standard error. */
  complain(text: string): void;
}

const ofThisProcess: Surroundings = {
  variables: process.env,
  write: (text) => void process.stdout.write(text),
  complain: (text) => void process.stderr.write(text),
};

/** The shared parts of all commands: the configuration with its secrets, the output, and the signals that end a command. */
export class CommandLine {
  private readonly surroundings: Surroundings;
  private masking: Masking | undefined;

  /** @param surroundings those of this process unless told. */
  constructor(surroundings: Surroundings = ofThisProcess) {
    this.surroundings = surroundings;
  }

  /** Masks the secrets of the configuration. An error before the configuration is read has no secrets. */
  readonly mask = (text: string): string => this.masking?.mask(text) ?? text;

  /** The environment of the process. */
  get variables(): NodeJS.ProcessEnv {
    return this.surroundings.variables;
  }

  /** Reads a configuration. From then on its secrets are masked in all printed errors. Throws ConfigError. */
  async load(file: string): Promise<Config> {
    const { loadConfig, transportKinds, ...rest } = await configuration();
    return this.hide(await loadConfig(file, this.surroundings.variables, transportKinds), rest);
  }

  /** Like `load`, for a command that only sends. */
  async loadSending(file: string): Promise<Config> {
    const { loadSendingConfig, transportKinds, ...rest } = await configuration();
    return this.hide(await loadSendingConfig(file, this.surroundings.variables, transportKinds), rest);
  }

  /** The text in lines of its own, on standard output. */
  print(text: string): void {
    this.write(text.endsWith('\n') ? text : `${text}\n`);
  }

  /** The text as it is, on standard output. */
  write(text: string): void {
    this.surroundings.write(text);
  }

  /** One line on standard error. */
  complain(text: string): void {
    this.surroundings.complain(`${text}\n`);
  }

  /** Whether standard output shows colours: it is a terminal, and NO_COLOR is not set. */
  get hasColors(): boolean {
    return process.stdout.isTTY && process.stdout.hasColors();
  }

  /** Shows on a terminal how far long work is. The next text takes its place. Nowhere else it says anything. */
  progress(text: string): void {
    if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
  }

  /**
   * Aborted by the first SIGINT or SIGTERM. The second one ends the process at once.
   *
   * @param end ends the process; with exit code 1 unless told.
   */
  interruption(end: () => void = () => process.exit(1)): AbortSignal {
    const controller = new AbortController();
    let last = 0;
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.on(signal, () => {
        const now = performance.now();
        const isSame = now - last <= sameSignal;
        if (controller.signal.aborted && !isSame) end();
        if (!isSame) last = now;
        controller.abort();
      });
    }
    return controller.signal;
  }

  private hide(config: Config, { secretsOf, Masking }: Pick<Configuration, 'secretsOf' | 'Masking'>): Config {
    this.masking ??= new Masking();
    this.masking.add(secretsOf(config));
    return config;
  }
}

/** Reads a flag with a number of seconds. Throws InvalidArgumentError. */
export function seconds(text: string): number {
  const value = Number(text);
  if (!(value > 0 && value <= 1e6)) throw new InvalidArgumentError('a number of seconds above 0 is expected');
  return value;
}

const units: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** A time such as `90s`, `10m`, `2h` or `7d`, as a flag. Milliseconds. Throws InvalidArgumentError. */
export function duration(text: string): number {
  const [, number, unit = ''] = /^(\d{1,6})([smhd])$/.exec(text) ?? [];
  const factor = units[unit];
  if (number === undefined || factor === undefined)
    throw new InvalidArgumentError('a time such as 90s, 10m, 2h or 7d is expected');
  return Number(number) * factor;
}

/** A whole number above 0, as a flag. Throws InvalidArgumentError. */
export function count(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1)
    throw new InvalidArgumentError('a whole number above 0 is expected');
  return value;
}
