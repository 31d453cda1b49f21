import { type Config, parseConfig } from '../../src/core/config/load.ts';
import { ConfigError } from '../../src/core/errors.ts';
import { transportKinds } from '../../src/transports/index.ts';

/** The least that is accepted. */
export const minimal = 'database: { url: postgresql://db/trove }';

/** A configuration with one transport of each kind, each with these further lines. */
export const rabbit = (...lines: string[]) => transport('rabbit', 'amqp091', 'amqp://mq', lines);
export const edge = (...lines: string[]) => transport('edge', 'mqtt', 'mqtt://mq', lines);

/** As messages name them. */
export const kindNames = Object.keys(transportKinds).join(', ');

/** One of that kind, named after it. */
export const only = (kind: string) =>
  transport(kind, kind, `${kind.startsWith('amqp') ? 'amqp' : kind}://mq`, []);

function transport(name: string, kind: string, url: string, lines: string[]): string {
  const entry = [`kind: ${kind}`, `url: ${url}`, ...lines];
  return `${minimal}\ntransports:\n  ${name}:\n${entry.map((line) => `    ${line}`).join('\n')}`;
}

export function read(text: string, environment: Record<string, string | undefined> = {}): Config {
  return parseConfig(text, 'conductor.yaml', environment, transportKinds);
}

/** The message of the ConfigError that reading ends with; throws if it does not, or if that has several lines. */
export function refusal(text: string, environment: Record<string, string | undefined> = {}): string {
  try {
    read(text, environment);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    if (error.message.includes('\n')) throw new Error(`several lines: ${error.message}`);
    return error.message;
  }
  throw new Error('the configuration was accepted');
}
