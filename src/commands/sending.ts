/** The shared parts of `conductor cast`, `call` and `simulate`. They send with the client library. */
import { type Command, InvalidArgumentError } from 'commander';
import type { Client } from '../client/client.ts';
import type { Config } from '../core/config/load.ts';
import type { ConfiguredTransport } from '../core/config/transport-kind.ts';
import { ConfigError, messageOf } from '../core/errors.ts';
import { isObject, type JsonObject } from '../core/json.ts';
import { type CommandLine, seconds } from './command-line.ts';

export interface SendFlags {
  config: string;
  transport?: string;
  sender?: string;
}

export interface MessageFlags extends SendFlags {
  args: JsonObject;
  timeout: number;
  messageId?: string;
}

/** Milliseconds that a finished command has to close its connection. */
const goodbye = 2000;

/** A command that sends on a transport of the configuration. */
export function sendingCommand(program: Command, name: string, description: string): Command {
  return program
    .command(name)
    .description(description)
    .requiredOption('--config <file>', 'the configuration; only its transports are used')
    .option('--transport <name>', 'which of its transports, where there are several');
}

/**
 * A command that sends one message.
 *
 * @param timeout seconds, by default.
 */
export function messageCommand(
  program: Command,
  name: string,
  description: string,
  timeout: number,
): Command {
  return sendingCommand(program, name, description)
    .argument('<method>', 'such as heartbeat')
    .option('--args <json>', 'the arguments, a JSON object', jsonObject, {})
    .option('--sender <id>', 'who sends it; instance_id of the arguments unless given')
    .option('--message-id <id>', 'the same again to repeat a message')
    .option('--timeout <seconds>', 'give up after so long', seconds, timeout)
    .addHelpText(
      'after',
      '\nEnvironment:\n  TRACEPARENT, TRACESTATE  the W3C trace context that the message carries',
    );
}

/** The client library, which only a command that sends needs. */
async function library() {
  const [client, logger, signing, traces] = await Promise.all([
    import('../client/client.ts'),
    import('../core/logger.ts'),
    import('../client/signing.ts'),
    import('../core/message/trace-context.ts'),
  ]);
  return { ...client, ...logger, ...signing, ...traces };
}

/** Runs a function with a client, and closes the client at the end. */
export async function withClient(
  line: CommandLine,
  flags: SendFlags & { args: JsonObject },
  work: (client: Client) => Promise<void>,
): Promise<void> {
  const { transport, config } = await chooseTransport(line, flags);
  const { Client, createLogger, signingKeyOf, traceContextIn } = await library();
  const trace = traceContextIn(line.variables);
  const instance = flags.args.instance_id;
  const signer = signingKeyOf(transport.options)?.sender;
  const sender = flags.sender ?? (typeof instance === 'string' ? instance : signer);
  if (sender === undefined)
    throw new ConfigError('--sender is required where the arguments have no instance_id');
  const client = new Client(
    transport,
    { sender, reconnect: config.reconnect },
    createLogger('fatal', line.mask),
    () => trace,
  );
  await client.start();
  try {
    await work(client);
  } finally {
    await client.close({ deadline: goodbye });
  }
}

/** The transport that a command sends on. Throws ConfigError if there is not exactly one. */
export async function chooseTransport(
  line: CommandLine,
  { config: file, transport: name }: SendFlags,
): Promise<{ transport: ConfiguredTransport; config: Config }> {
  const config = await line.loadSending(file);
  const names = config.transports.map((one) => one.name).join(', ');
  const transports = config.transports.filter((one) => name === undefined || one.name === name);
  const [transport, another] = transports;
  if (transport === undefined)
    throw name === undefined
      ? new ConfigError('transports: at least one is required', { code: 'no-transport' })
      : new ConfigError(`--transport: must be one of ${names}`);
  if (another !== undefined) throw new ConfigError(`--transport is required: one of ${names}`);
  return { transport, config };
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
