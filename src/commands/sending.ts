/** `conductor cast`, `call` and `simulate`: what is built on the client library. */
import { randomUUID } from 'node:crypto';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { Client } from '../client/client.ts';
import { RemoteError } from '../client/errors.ts';
import { type Config, loadSendingConfig } from '../core/config/load.ts';
import type { ConfiguredTransport } from '../core/config/transport-kind.ts';
import { ConfigError, messageOf } from '../core/errors.ts';
import { isObject, type JsonObject } from '../core/json.ts';
import { createLogger } from '../core/logger.ts';
import { transportKinds } from '../transports/index.ts';
import { simulate } from './simulate.ts';

/** What the command line lends to its commands. */
export interface Surroundings {
  readonly print: (text: string) => void;
  /** From here on these are hidden in all that is printed of errors. */
  readonly hide: (config: Config) => (text: string) => string;
  /** Aborted by the first signal that asks to end. */
  readonly interruption: () => AbortSignal;
}

interface SendFlags {
  config: string;
  transport?: string;
  sender?: string;
}
interface MessageFlags extends SendFlags {
  args: JsonObject;
  timeout: number;
  messageId?: string;
}
interface SimulateFlags extends SendFlags {
  guests: number;
  interval: number;
  jitter: number;
  die: number;
  prefix: string;
  connections: number;
  for?: number;
}

/** Milliseconds in which a command that has what it wanted closes its connection. */
const goodbye = 2000;

export function addSendingCommands(program: Command, around: Surroundings): void {
  const sending = (name: string, description: string) =>
    program
      .command(name)
      .description(description)
      .requiredOption('--config <file>', 'the configuration; only its transports are used')
      .option('--transport <name>', 'which of its transports, where there are several');
  const messaging = (name: string, description: string, seconds: number) =>
    sending(name, description)
      .argument('<method>', 'such as heartbeat')
      .option('--args <json>', 'the arguments, a JSON object', jsonObject, {})
      .option('--sender <id>', 'who sends it; instance_id of the arguments unless given')
      .option('--message-id <id>', 'the same again to repeat a message')
      .option('--timeout <seconds>', 'give up after so long', above0, seconds);

  messaging('cast', 'send one message; done when the broker has it', 10).action(
    async (method: string, flags: MessageFlags) => {
      await withClient(around, flags, async (client) => {
        const messageId = flags.messageId ?? randomUUID();
        const signal = AbortSignal.timeout(flags.timeout * 1000);
        try {
          await client.cast(method, flags.args, { messageId, signal });
        } catch (error) {
          throw error === signal.reason ? notTaken(client, flags.timeout) : error;
        }
        around.print(`${method} is on the broker, message id ${messageId}`);
      });
    },
  );
  messaging('call', 'send one message and print the answer as JSON', 30).action(
    async (method: string, { args, timeout, messageId, ...flags }: MessageFlags) => {
      await withClient(around, { args, ...flags }, async (client) => {
        const result = await client
          .call(method, args, { timeout: timeout * 1000, messageId })
          .catch((error: unknown) => {
            throw error instanceof RemoteError ? new Error(inOneLine(error), { cause: error }) : error;
          });
        around.print(JSON.stringify(result ?? null, undefined, 2));
      });
    },
  );
  sending('simulate', 'a fleet of guests that cast heartbeats')
    .option('--guests <count>', 'how many', whole, 100)
    .option('--interval <seconds>', 'between two heartbeats of a guest', above0, 60)
    .option('--jitter <share>', 'how much the interval varies, 0 to 1', share, 0.1)
    .option('--die <share>', 'how many fall silent for good, 0 to 1', share, 0)
    .option('--prefix <text>', 'what the ids begin with, before the number', 'guest-')
    .option('--connections <count>', 'shared out among the guests', whole, 1)
    .addOption(new Option('--for <seconds>', 'end by itself after so long').argParser(above0))
    .action(async ({ for: seconds, ...flags }: SimulateFlags) => {
      const { transport, config } = await choose(around, flags);
      const mask = around.hide(config);
      const logger = createLogger(config.log.level, mask);
      const interrupted = around.interruption();
      await simulate({ ...flags, seconds, transport, logger, interrupted, print: around.print });
    });
}

/** Runs something with a client, which it closes at the end. */
async function withClient(
  around: Surroundings,
  flags: SendFlags & { args: JsonObject },
  work: (client: Client) => Promise<void>,
): Promise<void> {
  const { transport, config } = await choose(around, flags);
  const mask = around.hide(config);
  const instance = flags.args.instance_id;
  const sender = flags.sender ?? (typeof instance === 'string' ? instance : undefined);
  if (sender === undefined)
    throw new ConfigError('--sender is required where the arguments have no instance_id');
  const client = new Client(transport, { sender, reconnect: config.reconnect }, createLogger('fatal', mask));
  await client.start();
  try {
    await work(client);
  } finally {
    await client.close({ deadline: goodbye });
  }
}

async function choose(
  around: Surroundings,
  { config: file, transport: name }: SendFlags,
): Promise<{ transport: ConfiguredTransport; config: Config }> {
  const config = await loadSendingConfig(file, process.env, transportKinds);
  around.hide(config);
  const names = config.transports.map((one) => one.name).join(', ');
  const transports = config.transports.filter((one) => name === undefined || one.name === name);
  const [transport, another] = transports;
  if (transport === undefined)
    throw new ConfigError(
      name === undefined ? 'transports: at least one is required' : `--transport: must be one of ${names}`,
    );
  if (another !== undefined) throw new ConfigError(`--transport is required: one of ${names}`);
  return { transport, config };
}

function notTaken({ lastError }: Client, seconds: number): Error {
  const why = lastError === undefined ? '' : `: ${messageOf(lastError)}`;
  return new Error(`the broker has not taken the message within ${seconds} s${why}`);
}

function inOneLine({ class: what, message, argument }: RemoteError): string {
  return `${what}: ${message}${argument === undefined ? '' : ` (${argument})`}`;
}

function jsonObject(text: string): JsonObject {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new InvalidArgumentError(`a JSON object is expected: ${messageOf(error)}`);
  }
  if (!isObject(value)) throw new InvalidArgumentError('a JSON object is expected');
  return value;
}

function above0(text: string): number {
  const value = Number(text);
  if (!(value > 0 && value <= 1e6)) throw new InvalidArgumentError('a number of seconds above 0 is expected');
  return value;
}

function whole(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1)
    throw new InvalidArgumentError('a whole number above 0 is expected');
  return value;
}

function share(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !(value >= 0 && value <= 1))
    throw new InvalidArgumentError('a number from 0 to 1 is expected');
  return value;
}
