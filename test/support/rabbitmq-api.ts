/** What tests ask of a RabbitMQ's management API. */
import { waitFor } from './wait.ts';

/** How to reach a RabbitMQ, and its administration. */
export interface Rabbitmq {
  readonly port: number;
  readonly managementPort: number;
  /** Of the queues that replicas compete on; none unless told. */
  readonly queueArguments?: Readonly<Record<string, unknown>>;
  /** Of the virtual host `/`, as the user guest. */
  readonly url: string;
  /** Makes a virtual host of the test's own, with a user of the same name; returns the URL for both. */
  createVhost(name: string): Promise<string>;
  deleteVhost(name: string): Promise<void>;
  /** The figures of one queue, one to two seconds old; undefined while it has none. */
  queueStats(vhost: string, queue: string): Promise<QueueStats | undefined>;
  /** The channels of a virtual host that consume, or hold messages; one to two seconds old. */
  consumingChannels(vhost: string): Promise<ReadonlyArray<ConsumingChannel>>;
  /** Ends every connection that was made with the URL from `createVhost(name)`, as an operator can. */
  closeAllConnections(name: string): Promise<void>;
  /** Any other request, for example `request('PUT', '/users/eve', { password: 'eve', tags: '' })`. */
  request(method: string, path: string, body?: unknown): Promise<unknown>;
}

export interface ConsumingChannel {
  readonly name: string;
  readonly unacked: number;
  readonly consumers: number;
}

export interface QueueStats {
  readonly ready: number;
  readonly unacked: number;
  readonly consumers: number;
  /** Since the queue was made. */
  readonly published: number;
  readonly delivered: number;
  readonly redelivered: number;
  readonly acked: number;
}

/** A RabbitMQ as another process has started it. */
export function rabbitmqAt(port: number, managementPort: number): Rabbitmq {
  const request = (method: string, path: string, body?: unknown) => ask(managementPort, method, path, body);
  const url = (user: string, password: string, vhost: string) =>
    `amqp://${[user, password].map(encodeURIComponent).join(':')}@127.0.0.1:${port}/${encodeURIComponent(vhost)}`;
  return {
    port,
    managementPort,
    url: url('guest', 'guest', '/'),
    request,
    createVhost: async (name) => {
      const [vhost, user] = [`/vhosts/${encodeURIComponent(name)}`, `/users/${encodeURIComponent(name)}`];
      await request('PUT', vhost);
      await request('PUT', user, { password: name, tags: '' });
      for (const one of ['guest', name]) await request('PUT', permissionsPath(name, one), everything);
      return url(name, name, name);
    },
    deleteVhost: async (name) => {
      await request('DELETE', `/vhosts/${encodeURIComponent(name)}`);
      await request('DELETE', `/users/${encodeURIComponent(name)}`);
    },
    queueStats: async (vhost, queue) => {
      const found = await request('GET', `/queues/${encodeURIComponent(vhost)}/${encodeURIComponent(queue)}`);
      // A queue that was made this instant has no figures yet.
      return valueAt(found, 'messages_ready') === undefined ? undefined : statsOf(found);
    },
    consumingChannels: async (vhost) => {
      const found = await request('GET', `/vhosts/${encodeURIComponent(vhost)}/channels`);
      const channels = Array.isArray(found) ? found.map(channelOf) : [];
      return channels.filter(({ unacked, consumers }) => unacked > 0 || consumers > 0);
    },
    // By user: the API knows a new connection by its name only after a while, and by its user soon.
    closeAllConnections: async (name) => {
      const path = `/connections/username/${encodeURIComponent(name)}`;
      const isKnown = async () => {
        const known = await request('GET', path);
        return Array.isArray(known) && known.length > 0;
      };
      await waitFor(isKnown, { what: `RabbitMQ to know of a connection of ${name}` });
      await request('DELETE', path);
    },
  };
}

const everything = { configure: '.*', write: '.*', read: '.*' };

function permissionsPath(vhost: string, user: string): string {
  return `/permissions/${encodeURIComponent(vhost)}/${encodeURIComponent(user)}`;
}

/** The parsed answer; undefined where there is none, or nothing of that name. */
async function ask(port: number, method: string, path: string, body: unknown): Promise<unknown> {
  const response = await fetch(`http://127.0.0.1:${port}/api${path}`, {
    method,
    headers: { authorization: `Basic ${btoa('guest:guest')}`, 'content-type': 'application/json' },
    body: body === undefined ? null : JSON.stringify(body),
  });
  const text = await response.text();
  if (response.status === 404) return undefined;
  if (!response.ok) throw new Error(`RabbitMQ: ${method} ${path}: ${response.status} ${text}`);
  return text === '' ? undefined : JSON.parse(text);
}

function statsOf(queue: unknown): QueueStats {
  const statistics = valueAt(queue, 'message_stats');
  return {
    ready: numberAt(queue, 'messages_ready'),
    unacked: numberAt(queue, 'messages_unacknowledged'),
    consumers: numberAt(queue, 'consumers'),
    published: numberAt(statistics, 'publish'),
    delivered: numberAt(statistics, 'deliver_get'),
    redelivered: numberAt(statistics, 'redeliver'),
    acked: numberAt(statistics, 'ack'),
  };
}

function channelOf(channel: unknown): ConsumingChannel {
  return {
    name: String(valueAt(channel, 'name')),
    unacked: numberAt(channel, 'messages_unacknowledged'),
    consumers: numberAt(channel, 'consumer_count'),
  };
}

/** 0 where it is absent: RabbitMQ leaves out what has not happened yet. */
function numberAt(holder: unknown, name: string): number {
  const value = valueAt(holder, name);
  return typeof value === 'number' ? value : 0;
}

function valueAt(holder: unknown, name: string): unknown {
  return typeof holder === 'object' && holder !== null ? Reflect.get(holder, name) : undefined;
}
