import { randomUUID } from 'node:crypto';
import { seal } from '../support/secure.ts';
import { heartbeatMessage, keyOf, signedBy } from '../support/signed.ts';

/** Messages that no transport may apply, by the mode that proves their senders. */

export type Mode = 'subject' | 'user-id' | 'trove' | 'hmac';

export interface Attack {
  readonly what: string;
  /** The last part of the address. */
  readonly sender: string;
  /** @param replyTo the address of answers. */
  readonly body: (replyTo: string) => Buffer;
  /** The reason of its dead letter. */
  readonly reason: string;
}

/** An instance of somebody else. */
export const victim = 'victim';
/** Backups of the attacker and of the victim. */
export const backups = { own: 'backup-own', victim: 'backup-victim' };
/** May list the names of instances, and nothing else. */
export const reader = 'reader';
/** Keys that are in the database; `ended` and `revoked` are no longer valid. */
export const keys = {
  own: keyOf('own'),
  victim: keyOf(victim),
  reader: keyOf(reader),
  revoked: keyOf('own', 'revoked'),
  ended: keyOf('own', 'ended'),
};

const json = (message: unknown) => Buffer.from(JSON.stringify(message));
const backupOf = (instance: string, backup: string) => ({
  method: 'update_backup',
  args: { instance_id: instance, backup_id: backup, sent: 5, state: 'DELETED' },
});
const called = (method: string, args: object, reply_to: string) => ({
  method,
  args,
  message_id: randomUUID(),
  correlation_id: randomUUID(),
  reply_to,
});

/** All that is refused in the same way under each mode of the native form. */
function usual(mode: Mode, own: string, write: (sender: string, message: unknown) => Buffer): Attack[] {
  const by = (what: string, reason: string, message: (replyTo: string) => unknown, sender = own): Attack => ({
    what,
    reason,
    sender,
    body: (replyTo) => write(sender, message(replyTo)),
  });
  const remove = { model: 'instance', id: victim };
  return [
    by('a heartbeat of another instance', 'forbidden', () => heartbeatMessage(victim, 5, 'crashed')),
    by('a backup of another instance in its name', 'forbidden', () => backupOf(victim, backups.victim)),
    by('a backup of another instance', 'foreign_backup', () => backupOf(own, backups.victim)),
    by('root of another instance', 'forbidden', () => ({
      method: 'report_root',
      args: { instance_id: victim },
    })),
    by('a guest calls model_delete', 'forbidden', (replyTo) => called('model_delete', remove, replyTo)),
    by('a guest casts model_delete', 'not_a_cast', () => ({ method: 'model_delete', args: remove })),
    // The user of the connection cannot be two senders.
    ...(mode === 'user-id'
      ? []
      : [
          by(
            'a service calls a method beyond its grant',
            'forbidden',
            (replyTo) => called('model_delete', remove, replyTo),
            reader,
          ),
          by(
            'a service reads a column beyond its grant',
            'forbidden',
            (replyTo) => called('model_list', { model: 'instance', filters: { tenant_id: 'a' } }, replyTo),
            reader,
          ),
          by(
            'a service reports for a guest',
            'forbidden',
            () => heartbeatMessage(victim, 5, 'crashed'),
            reader,
          ),
        ]),
  ];
}

const seconds = () => Date.now() / 1000;
const own = (status: string) => heartbeatMessage('own', 5, status);
const altered = (from: string, to: string) =>
  Buffer.from(signedBy(keys.own, own('crashed')).toString('latin1').replace(from, to), 'latin1');

function unproven(what: string, body: () => Buffer, sender = 'own'): Attack {
  return { what, sender, body, reason: 'forbidden' };
}

const unsigned: ReadonlyArray<Attack> = [
  unproven('plain text', () => json(own('crashed'))),
  unproven('an altered body', () => altered('crashed', 'deleted')),
  unproven('an altered sent', () => altered('"sent":5', '"sent":6')),
  unproven('an altered time of the signature', () => altered('1 k1 own ', '1 k1 own 9')),
  unproven('another sender in the line', () => altered('1 k1 own ', `1 k1 ${victim} `), victim),
  unproven('the key of another sender', () => signedBy({ ...keys.victim, sender: 'own' }, own('crashed'))),
  unproven('a revoked key', () => signedBy(keys.revoked, own('crashed'))),
  unproven('a key that has ended', () => signedBy(keys.ended, own('crashed'))),
  unproven('an unknown key', () => signedBy(keyOf('own', 'none'), own('crashed'))),
  unproven('an expired message', () => signedBy(keys.own, own('crashed'), { sent: seconds() - 90_000 })),
  unproven(
    'an address of another sender does not count',
    () => signedBy(keys.own, heartbeatMessage(victim, 5, 'crashed')),
    victim,
  ),
];

const sealedBy = (instance: string, key: string, message: { method: string; args: object }) =>
  Buffer.from(seal(message.method, message.args, { instance, key }));
const oslo = (message: object) =>
  json({ 'oslo.version': '2.0', 'oslo.message': JSON.stringify({ version: '1.0', ...message }) });

const sealed: ReadonlyArray<Attack> = [
  unproven('plain text', () => oslo(own('crashed'))),
  unproven('a heartbeat of another instance', () =>
    sealedBy('own', 'key-own', heartbeatMessage(victim, 5, 'crashed')),
  ),
  unproven('a backup of another instance in its name', () =>
    sealedBy('own', 'key-own', backupOf(victim, backups.victim)),
  ),
  {
    ...unproven('a backup of another instance', () =>
      sealedBy('own', 'key-own', backupOf('own', backups.victim)),
    ),
    reason: 'foreign_backup',
  },
  {
    ...unproven('the key of another instance', () =>
      sealedBy(victim, 'key-own', heartbeatMessage(victim, 5, 'crashed')),
    ),
    reason: 'undecryptable',
  },
];

/** @param own the attacker's own instance: the name that the mode proves. */
export function attacksOn(mode: Mode, own: string): ReadonlyArray<Attack> {
  switch (mode) {
    case 'trove':
      return sealed;
    case 'hmac':
      return [...unsigned, ...usual(mode, own, (sender, message) => signedBy(keyOf(sender), message))];
    default:
      return usual(mode, own, (_, message) => json(message));
  }
}

/** A message that has to be applied: the last one, so that all others have come when it is there. */
export function honest(mode: Mode, own: string): Buffer {
  const message = heartbeatMessage(own, 9);
  if (mode === 'trove') return sealedBy('own', 'key-own', message);
  return mode === 'hmac' ? signedBy(keys.own, message) : json(message);
}
