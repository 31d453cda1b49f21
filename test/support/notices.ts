/** Messages that lead to notifications. */

/** The arguments of `notify_end`: the end of the making of an instance. The notification's payload has them. */
export function noticeArgs(instance: string, requestId: string) {
  return {
    serialized_notification: {
      tenant_id: 't1',
      client_ip: '192.0.2.10',
      server_ip: '192.0.2.1',
      server_type: 'guest',
      request_id: requestId,
      instance_id: instance,
      notification_classname: 'trove.common.notification.DBaaSInstanceCreate',
    },
  };
}

/** The request id in the body of a notification, in oslo's form. */
export function requestIdIn(body: Uint8Array): string {
  const text = Buffer.from(body).toString();
  const [, id] = /request_id\\":\s*\\"([^\\"]+)/.exec(text) ?? [];
  if (id === undefined) throw new Error(`no request id in ${text.slice(0, 200)}`);
  return id;
}

/** A message that leads to a notification, in a wire form. */
export function noticeBody(form: 'native' | 'oslo', instance: string, requestId: string): Buffer {
  const message = { method: 'notify_end', args: noticeArgs(instance, requestId) };
  if (form === 'native') return Buffer.from(JSON.stringify(message));
  const inner = JSON.stringify({ ...message, version: '1.0', _unique_id: requestId });
  return Buffer.from(JSON.stringify({ 'oslo.version': '2.0', 'oslo.message': inner }));
}
