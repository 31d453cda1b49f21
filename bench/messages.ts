import { createHash } from 'node:crypto';

/** The messages of the bench's guests: the same bytes as real ones. */

/** Instance number g's id, the same in every run. */
export function instanceId(g: number): string {
  const hex = createHash('md5').update(`i${g}`).digest('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

/** The context that a Trove guest sends with each cast. It is most of the message. */
const context = {
  _context_user: 'u1',
  _context_project_id: 't1',
  _context_system_scope: null,
  _context_project: 't1',
  _context_domain: null,
  _context_user_domain: null,
  _context_project_domain: null,
  _context_is_admin: false,
  _context_read_only: false,
  _context_show_deleted: false,
  _context_auth_token: null,
  _context_request_id: 'req-1',
  _context_global_request_id: null,
  _context_resource_uuid: null,
  _context_roles: [],
  _context_user_identity: 'u1 t1 - - -',
  _context_is_admin_project: true,
  _context_limit: null,
  _context_marker: null,
  _context_service_catalog: null,
};

/** A heartbeat as oslo.messaging puts it on the wire. */
export function osloHeartbeat(instance: string, sent: number, status: string): Buffer {
  const args = { instance_id: instance, sent, payload: { service_status: status } };
  return osloMessage('heartbeat', args, createHash('md5').update(`${instance} ${sent}`).digest('hex'));
}

/** A cast as oslo.messaging puts it on the wire. */
export function osloMessage(method: string, args: object, uniqueId: string, more: object = {}): Buffer {
  return osloEnvelope({ method, args, version: '1.0', _unique_id: uniqueId, ...context, ...more });
}

/** A message in oslo.messaging's envelope. */
export function osloEnvelope(message: object): Buffer {
  // With the spaces that Python's json writes after colons and commas. No value here contains such a pattern.
  const inner = JSON.stringify(message).replaceAll('":', '": ').replaceAll(',"', ', "');
  return Buffer.from(`{"oslo.version": "2.0", "oslo.message": ${JSON.stringify(inner)}}`);
}
