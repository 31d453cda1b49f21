/** The messages of a round. Their number decides everything about them, so that a row tells which message wrote it. */
import { osloHeartbeat } from '../../../bench/messages.ts';
import type { Message, WireForm } from '../brokers.ts';

/**
 * `once`: the only message about its instance, so the loss of this one message is seen. `busy`: of an instance that reports again and
 * again, of which the newest counts. `late`: its instance is made known after it has been sent. `poison`: it can never be applied.
 */
export type MessageKind = 'once' | 'busy' | 'late' | 'poison';

export interface Numbered extends Message {
  readonly n: number;
}

/** Instances of busy guests. It shares no divisor with the number of statuses, so each report has another one. */
export const busyInstances = 2003;

const statuses = ['running', 'healthy', 'shutdown', 'crashed', 'paused'] as const;
const prefixes: Readonly<Record<MessageKind, string>> = { once: '0a', busy: '0b', late: '0c', poison: '0d' };
const idPattern = /^0([abcd])000000-0000-4000-8000-([0-9a-f]{12})$/;
const poisonPattern = /0d000000-0000-4000-8000-([0-9a-f]{12})/;

export function kindOf(n: number): MessageKind {
  if (n % 1000 === 0) return 'poison';
  if (n % 1000 === 500) return 'late';
  return n % 4 === 1 ? 'once' : 'busy';
}

/** Whether the message is looked for while the round runs: one in a hundred, each of kind `once`. */
export const isCheckpoint = (n: number) => n % 100 === 1;
export const checkpointEvery = 100;

export function instanceOf(n: number): string {
  const kind = kindOf(n);
  return instanceId(kind, kind === 'busy' ? n % busyInstances : n);
}

export function instanceId(kind: MessageKind, number: number): string {
  return `${prefixes[kind]}000000-0000-4000-8000-${number.toString(16).padStart(12, '0')}`;
}

/** What an instance's id says; undefined if it is none of ours. */
export function readInstance(
  id: string,
): { readonly kind: MessageKind; readonly number: number } | undefined {
  const [, letter = '', digits = ''] = idPattern.exec(id) ?? [];
  const kinds: Readonly<Record<string, MessageKind>> = { a: 'once', b: 'busy', c: 'late', d: 'poison' };
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
export function messageOf(n: number, begin: number, form: WireForm, fatal = false): Numbered {
  const sender = instanceOf(n);
  if (kindOf(n) === 'poison') return { n, sender, body: poisonOf(n, sender, begin, form, fatal) };
  return { n, sender, body: heartbeat(form, sender, sentOf(begin, n), statusOf(n)) };
}

function heartbeat(form: WireForm, instance: string, sent: number, status: string): Buffer {
  if (form === 'oslo') return osloHeartbeat(instance, sent, status);
  const args = { instance_id: instance, sent, payload: { service_status: status } };
  return Buffer.from(JSON.stringify({ method: 'heartbeat', args }));
}

/** In turn: no JSON, a method that does not exist, an argument that is wrong. */
function poisonOf(n: number, sender: string, begin: number, form: WireForm, fatal: boolean): Buffer {
  const wrong = heartbeat(form, sender, sentOf(begin, n), 'no such status');
  if (fatal) return withMethod(wrong, 'end_thread');
  const turn = (n / 1000) % 3;
  if (turn === 0) return Buffer.from(`{ ${sender}`);
  return turn === 1 ? withMethod(wrong, 'heartbeet') : wrong;
}

function withMethod(body: Buffer, method: string): Buffer {
  return Buffer.from(body.toString('latin1').replace('heartbeat', method), 'latin1');
}
