/** The messages of a round. Their number decides everything about them, so that a row tells which message wrote it. */
import { osloHeartbeat } from '../../../bench/messages.ts';
import { cipherKeyOf, encrypt } from '../../../src/core/message/codecs/trove-secure.ts';
import { noticeArgs, noticeBody } from '../../support/notices.ts';
import { encryptionKey, seal } from '../../support/secure.ts';
import type { Message } from '../brokers.ts';

/** `sealed`: Trove's secure form, in which each guest encrypts under its key. */
export type RoundForm = 'native' | 'oslo' | 'sealed';

/**
 * `once`: the only message about its instance, so the loss of this one message is seen. `busy`: of an instance that reports again and
 * again, of which the newest counts. `late`: its instance is made known after it has been sent. `poison`: it can never be applied.
 * `notice`: it leads to a notification, which has its number.
 */
export type MessageKind = 'once' | 'busy' | 'late' | 'poison' | 'notice';

export interface Numbered extends Message {
  readonly n: number;
}

/** Instances of busy guests. It shares no divisor with the number of statuses, so each report has another one. */
export const busyInstances = 2003;
export const noticeInstances = 503;
/** In the secure form, of each guest. */
const guestKey = 'a-guest';
/** The same as the table of instances has it. */
export const storedKey = encrypt(guestKey, cipherKeyOf(encryptionKey));

const statuses = ['running', 'healthy', 'shutdown', 'crashed', 'paused'] as const;
const prefixes: Readonly<Record<MessageKind, string>> = {
  once: '0a',
  busy: '0b',
  late: '0c',
  poison: '0d',
  notice: '0e',
};
const idPattern = /^0([abcde])000000-0000-4000-8000-([0-9a-f]{12})$/;
const poisonPattern = /0d000000-0000-4000-8000-([0-9a-f]{12})/;

export function kindOf(n: number): MessageKind {
  if (n % 1000 === 0) return 'poison';
  if (n % 1000 === 500) return 'late';
  if (n % 100 === 50) return 'notice';
  return n % 4 === 1 ? 'once' : 'busy';
}

/** Whether the message is looked for while the round runs: one in a hundred, each of kind `once`. */
export const isCheckpoint = (n: number) => n % 100 === 1;
export const checkpointEvery = 100;

export function instanceOf(n: number): string {
  const kind = kindOf(n);
  const numbers: Partial<Record<MessageKind, number>> = {
    busy: n % busyInstances,
    notice: n % noticeInstances,
  };
  return instanceId(kind, numbers[kind] ?? n);
}

export function instanceId(kind: MessageKind, number: number): string {
  return `${prefixes[kind]}000000-0000-4000-8000-${number.toString(16).padStart(12, '0')}`;
}

/** What an instance's id says; undefined if it is none of ours. */
export function readInstance(
  id: string,
): { readonly kind: MessageKind; readonly number: number } | undefined {
  const [, letter = '', digits = ''] = idPattern.exec(id) ?? [];
  const kinds: Readonly<Record<string, MessageKind>> = {
    a: 'once',
    b: 'busy',
    c: 'late',
    d: 'poison',
    e: 'notice',
  };
  const kind = kinds[letter];
  return kind && { kind, number: Number.parseInt(digits, 16) };
}

/** The number of the poison that a dead letter's body holds; undefined if it holds none. */
export function readPoison(body: string): number | undefined {
  const digits = poisonPattern.exec(body)?.[1];
  return digits === undefined ? undefined : Number.parseInt(digits, 16);
}

export const statusOf = (n: number): string => statuses[n % statuses.length] ?? 'running';

/** Seconds since the epoch. `begin` lies so far in the past that no message is from the future. */
export const sentOf = (begin: number, n: number): number => begin + n / 1000;

/** @param fatal of a poison: it ends the thread that runs it. */
export function messageOf(n: number, begin: number, form: RoundForm, fatal = false): Numbered {
  const sender = instanceOf(n);
  const kind = kindOf(n);
  if (kind === 'poison') return { n, sender, body: poisonOf(n, sender, begin, form, fatal) };
  if (kind === 'notice') return { n, sender, body: notice(form, sender, String(n)) };
  return { n, sender, body: heartbeat(form, sender, sentOf(begin, n), statusOf(n)) };
}

function heartbeat(form: RoundForm, instance: string, sent: number, status: string): Buffer {
  if (form === 'oslo') return osloHeartbeat(instance, sent, status);
  const args = { instance_id: instance, sent, payload: { service_status: status } };
  if (form === 'sealed') return sealed('heartbeat', args, instance);
  return Buffer.from(JSON.stringify({ method: 'heartbeat', args }));
}

function notice(form: RoundForm, instance: string, requestId: string): Buffer {
  if (form === 'sealed') return sealed('notify_end', noticeArgs(instance, requestId), instance);
  return noticeBody(form, instance, requestId);
}

function sealed(method: string, args: object, instance: string): Buffer {
  return Buffer.from(seal(method, args, { instance, key: guestKey }));
}

/** In turn: no JSON, a method that does not exist, an argument that is wrong. */
function poisonOf(n: number, sender: string, begin: number, form: RoundForm, fatal: boolean): Buffer {
  const wrong = heartbeat(form, sender, sentOf(begin, n), 'no such status');
  if (fatal) return withMethod(wrong, 'end_thread');
  const turn = (n / 1000) % 3;
  if (turn === 0) return Buffer.from(`{ ${sender}`);
  return turn === 1 ? withMethod(wrong, 'heartbeet') : wrong;
}

function withMethod(body: Buffer, method: string): Buffer {
  return Buffer.from(body.toString('latin1').replace('heartbeat', method), 'latin1');
}
