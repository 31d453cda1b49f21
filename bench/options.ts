import { InvalidArgumentError } from 'commander';
import type { BenchTransport } from './brokers/index.ts';

/** The readers of flags. Each throws InvalidArgumentError. */

export const transports: ReadonlyArray<BenchTransport> = ['amqp091', 'amqp10', 'mqtt', 'nats'];

export function count(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1)
    throw new InvalidArgumentError('a whole number above 0 is expected');
  return value;
}

/** Several of them, separated by commas. */
export function counts(text: string): number[] {
  return text.split(',').map(count);
}

export function seconds(text: string): number {
  const value = Number(text);
  if (!(value > 0 && value <= 86_400)) throw new InvalidArgumentError('a number of seconds is expected');
  return value;
}

/** One kind of transport, several separated by commas, or `all`. */
export function kinds(text: string): ReadonlyArray<BenchTransport> {
  if (text === 'all') return transports;
  return text.split(',').map((name) => {
    const kind = transports.find((one) => one === name);
    if (kind === undefined)
      throw new InvalidArgumentError(`all, or some of ${transports.join(', ')} are expected`);
    return kind;
  });
}

export function words<Word extends string>(allowed: ReadonlyArray<Word>): (text: string) => Word[] {
  return (text) =>
    text.split(',').map((name) => {
      const word = allowed.find((one) => one === name);
      if (word === undefined) throw new InvalidArgumentError(`some of ${allowed.join(', ')} are expected`);
      return word;
    });
}

export function json(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { ...value };
  } catch {
    // The error below says what is expected.
  }
  throw new InvalidArgumentError('a JSON object is expected');
}
