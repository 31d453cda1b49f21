import { cipherKeyOf, encrypt } from '../../src/core/message/codecs/trove-secure.ts';
import { instanceId, osloEnvelope } from '../messages.ts';
import type { BodiesOptions, Cast } from './bodies.ts';

/** The keys of the bench's fleet: that of all its instances, and the one under which Postgres keeps it. They protect nothing. */
export const instanceKey = 'the key of an instance of the bench';
export const keyOfKeys = 'the key that encrypts the keys of the bench';

const cipherKey = cipherKeyOf(instanceKey);
const context = JSON.stringify({ user: 'u1', project_id: 't1' });

/** What Postgres keeps in `instances.encrypted_key`. */
export function encryptedKey(): string {
  return encrypt(instanceKey, cipherKeyOf(keyOfKeys));
}

/** Makes the bodies of a fleet's messages in Trove's encrypted form. Each argument is encrypted by itself, so it costs the generator much. */
export class SealedBodies {
  private readonly instances: number;
  private made: number;

  constructor({ instances, first }: Pick<BodiesOptions, 'instances' | 'first'>) {
    this.instances = instances;
    this.made = first;
  }

  /** As `Bodies`. */
  next(kind: 'heartbeat' | 'backup', at: number): Cast {
    const sender = instanceId((this.made % this.instances) + 1);
    this.made += 1;
    const seal = (value: unknown) =>
      JSON.stringify({ entity: encrypt(JSON.stringify(value), cipherKey), 'csz-instance-id': sender });
    const sent = at / 1000;
    const args =
      kind === 'heartbeat'
        ? { instance_id: sender, sent, payload: { service_status: 'running' } }
        : { instance_id: sender, backup_id: sender, sent, state: 'BUILDING', size: 1.5 };
    const body = osloEnvelope({
      method: kind === 'heartbeat' ? 'heartbeat' : 'update_backup',
      args: Object.fromEntries(Object.entries(args).map(([name, value]) => [name, seal(value)])),
      version: '1.0',
      // The time in plain text, by which the bench knows it again.
      _unique_id: `sent ${sent.toFixed(6)}`,
      _context_context: encrypt(context, cipherKey),
      '_context_csz-instance-id': sender,
    });
    return { body, sender };
  }
}
