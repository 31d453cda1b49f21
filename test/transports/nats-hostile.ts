/** Header blocks that a sender may choose, beyond those that a library would write. */
import { randomBytes } from 'node:crypto';
import { blockOf, version } from './nats-raw.ts';

/** @param number so that no two have the same message id, which the stream would keep once. */
export const hostileBlocks: Readonly<Record<string, (number: number) => Buffer>> = {
  'a name with a space': () => blockOf('trace id: 1'),
  'a name with a letter beyond ASCII': () => blockOf('Gerät: 1'),
  'a name that is not UTF-8': () => blockOf(Buffer.from([0xff, 0xfe, 0x3a, 0x31])),
  'an empty name': () => blockOf(': 1'),
  'a name with a NUL': () => blockOf('a\0b: 1'),
  'a name of control characters': () => blockOf('\u0001\u0002\u007f: 1'),
  'a line without a colon': () => blockOf('no colon'),
  'a line feed in a value': () => blockOf('X-A: a\nb'),
  'a carriage return in a value': () => blockOf('X-A: a\rb'),
  'a value that is not UTF-8': () =>
    blockOf(Buffer.concat([Buffer.from('X-A: '), Buffer.from([0xc0, 0x80])])),
  'a NUL in a value': () => blockOf('X-A: \0'),
  'a name twice, in odd case': () => blockOf('x-a: 1', 'X-A: 2', 'X-a: 3', 'nats-msg-id: odd'),
  'a line of nothing but spaces': () => blockOf('   '),
  'a message id that is not UTF-8': (number) =>
    blockOf(Buffer.concat([Buffer.from(`Nats-Msg-Id: ${number}`), Buffer.from([0xff, 0xc3, 0x28])])),
  'a message id with a NUL and a line feed': (number) => blockOf(`Nats-Msg-Id: id\0\n${number}`),
  'a message id that is long': (number) => blockOf(`Nats-Msg-Id: ${number}${'i'.repeat(5000)}`),
  'an empty message id': () => blockOf('Nats-Msg-Id: '),
  'a deadline that is no number': () => blockOf('Conductor-Deadline: tomorrow'),
  'a deadline beyond all numbers': () => blockOf(`Conductor-Deadline: ${'9'.repeat(400)}`),
  'a correlation id with a line feed': () => blockOf('Conductor-Correlation-Id: a\nb'),
  "a status that is the server's to send": () => Buffer.from('NATS/1.0 503\r\n\r\n'),
  'a status with a description': () => Buffer.from('NATS/1.0 404 No Messages\r\n\r\n'),
  'a status that ends a pull': () => Buffer.from('NATS/1.0 409 Consumer Deleted\r\n\r\n'),
  'a status that is no number': () => Buffer.from('NATS/1.0 what is this\r\n\r\n'),
  'no version': () => Buffer.from('X-A: 1\r\n\r\n'),
  'an empty block': () => Buffer.alloc(0),
  'a block that does not end': () => Buffer.from(`${version}X-A: 1`),
  'nothing but line ends': () => Buffer.from('\r\n'.repeat(50)),
  'nothing but carriage returns': () => Buffer.alloc(300, '\r'),
  'arbitrary bytes': () => randomBytes(64),
  'arbitrary bytes behind the version': () => Buffer.concat([Buffer.from(version), randomBytes(64)]),
};

/** Each makes a call of the message, whose answer has nowhere to go. */
export const hostileCalls: Readonly<Record<string, (number: number) => Buffer>> = {
  'a reply address with a space': () => blockOf('Conductor-Reply-To: a b'),
  'a reply address with a NUL': () => blockOf('Conductor-Reply-To: a\0b'),
  'a reply address with a line feed': () => blockOf('Conductor-Reply-To: a\nPUB b 0\n'),
  'a reply address that is a pattern': () => blockOf('Conductor-Reply-To: a.>'),
  'a reply address that is not UTF-8': () =>
    blockOf(Buffer.concat([Buffer.from('Conductor-Reply-To: '), Buffer.from([0xff])])),
  "a reply address of the server's own": () => blockOf('Conductor-Reply-To: $JS.API.INFO'),
  'a reply address, and a correlation id with a line feed': () =>
    blockOf('Conductor-Reply-To: nobody', 'Conductor-Correlation-Id: a\nb'),
  'a deadline that has passed': () => blockOf('Conductor-Reply-To: nobody', 'Conductor-Deadline: 1'),
};

/** Bytes of the largest block that a stream keeps, roughly; without one the server's `max_payload` counts. */
export const streamTakes = 65_000;

export const largeBlock = (bytes: number): Buffer => blockOf(Buffer.alloc(bytes, 'x: y\r\n'));
