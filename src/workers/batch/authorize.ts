import { type Access, anonymous } from '../../core/config/access.ts';
import type { AuthMode } from '../../core/config/schema-auth.ts';
import { Rejected } from '../../core/errors.ts';
import type { Principal } from '../../core/message/envelope.ts';
import { requireGrant } from '../grants.ts';
import type { RawMessage } from '../raw-message.ts';
import type { Task } from './item.ts';

/** The principal: the sender as the transport can prove it. Throws Rejected. */
export function principalOf(
  { sender, senderProof }: RawMessage,
  auth: AuthMode,
  { services }: Access,
): Principal {
  if (auth === 'none') return { kind: 'unproven' };
  if (sender === undefined || senderProof !== auth) {
    throw new Rejected(
      'forbidden',
      `the message does not prove its sender by ${auth}, as this transport requires`,
    );
  }
  // A sender that proves its name is not anonymous, even if the name is "anonymous".
  const isService = sender !== anonymous && services.has(sender);
  return { kind: isService ? 'service' : 'guest', id: sender };
}

/** A guest may send about itself only. A service may send about every guest if it is granted the method. Throws Rejected. */
export function authorize(principal: Principal, { methodName, args }: Task, access: Access): void {
  if (principal.kind === 'guest' && principal.id !== args.instanceId)
    throw new Rejected('forbidden', `${principal.id} sent a message about ${args.instanceId}`);
  if (principal.kind === 'service') requireGrant(principal, methodName, access);
}
