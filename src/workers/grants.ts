import { type Access, anonymous, type Service } from '../core/config/access.ts';
import { Rejected } from '../core/errors.ts';
import type { Principal } from '../core/message/envelope.ts';

/** Throws Rejected unless the principal is a service that is granted the method. */
export function requireGrant(principal: Principal, methodName: string, access: Access): void {
  const service = serviceOf(principal, access);
  if (service !== undefined && (service.methods?.has(methodName) ?? true)) return;
  throw new Rejected('forbidden', `${nameOf(principal)} is not granted ${methodName} (services)`);
}

/** The principal's grants in the configuration. A guest has none. */
export function serviceOf(principal: Principal, { services }: Access): Service | undefined {
  if (principal.kind === 'guest') return undefined;
  return services.get(principal.kind === 'service' ? principal.id : anonymous);
}

/** The principal's name in a message to the operator. */
export function nameOf(principal: Principal): string {
  return principal.kind === 'unproven' ? anonymous : principal.id.slice(0, 64);
}
