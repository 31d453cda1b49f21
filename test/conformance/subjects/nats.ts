import { randomUUID } from 'node:crypto';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import {
  connect,
  createInbox,
  headers,
  type NatsConnection,
  type NodeConnectionOptions,
} from '@nats-io/transport-node';
import type { Reply } from '../../../src/core/message/request.ts';
import type { OutgoingMessage } from '../../../src/core/transport/sender.ts';
import type { Nats } from '../../support/nats.ts';
import { password, type Secure, secureNats, tlsOf, user } from '../../support/secure-brokers.ts';
import { service } from '../../support/services.ts';
import { hostileMessages } from '../hostile/nats.ts';
import { commonRefusals } from './refusals.ts';
import {
  type Brokers,
  type ConformanceSubject,
  commonOffers,
  make,
  type Subject,
  type Test,
} from './subject.ts';

/** Of both ends, in seconds and milliseconds: cases wait for it. */
const quick = { pingInterval: 1, connectTimeout: 1000 };

/** The nats-server of this run, with JetStream. */
export const nats: Subject = {
  ...natsSubject('nats', { plain: () => service('nats'), secure: secureNats }),
  needs: 'nats',
};

export function natsSubject(name: string, brokers: Brokers<Nats>): ConformanceSubject {
  const { secure, options: settings, lacks } = brokers;
  const openOn = (t: Test, broker: Nats & Partial<Secure>) => {
    if (broker.certificates === undefined) return open(t, broker, { options: settings });
    const { ca, client } = broker.certificates;
    const { cert: certFile, key: keyFile } = client;
    return open(t, broker, {
      access: { user, pass: password, tls: { caFile: ca, certFile, keyFile } },
      options: { ...settings, user, password, tls: tlsOf(ca, client) },
    });
  };
  const openPlain = async (t: Test, options?: Record<string, unknown>) =>
    open(t, await brokers.plain(), { options: { ...settings, ...options } });
  const openCalled = async (t: Test) => {
    const { connection, store, ...opened } = await openPlain(t);
    const replies: Reply[] = [];
    const replyTo = createInbox();
    connection.subscribe(replyTo, {
      callback: (_, { data, headers }) => {
        replies.push({ body: data, correlationId: headers?.get('Conductor-Correlation-Id') });
      },
    });
    const send = async (message: OutgoingMessage) => {
      const { sender, body, messageId, replyTo, correlationId, expiration } = message;
      const described = headers();
      described.set('Nats-Msg-Id', messageId);
      if (replyTo !== undefined) described.set('Conductor-Reply-To', replyTo);
      if (correlationId !== undefined) described.set('Conductor-Correlation-Id', correlationId);
      if (expiration !== undefined) described.set('Conductor-Deadline', String(Date.now() + expiration));
      await store(sender, body, { headers: described });
    };
    return { ...opened, send, replyTo, replies, goneReplyTo: `gone.${randomUUID()}` };
  };
  return {
    ...commonOffers({
      kind: 'nats',
      quick,
      brokers,
      open: openOn,
      optionsOf: ({ settings }) => settings,
      reconnect: (opened) => opened.reconnect(),
    }),
    name,
    settlesOutOfOrder: true,
    boundedByBroker: true,
    ...(lacks && { lacks }),
    open: openPlain,
    openWithCallers: openCalled,
    // The default of max_payload is 1 MiB.
    openWithLimit: async (t) => ({ ...(await openCalled(t)), tooLarge: 2 ** 20 + 1 }),
    async openWithHostile(t) {
      const { port } = await brokers.plain();
      const opened = await openPlain(t);
      return { ...opened, hostile: hostileMessages(port, opened.settings.subject.replace('*', 'guest')) };
    },
    async openImpatient(t) {
      const patience = 1000;
      return { ...(await openPlain(t, { ackWait: patience })), patience };
    },
    async openDeletable(t) {
      const opened = await openPlain(t);
      return { ...opened, deletions: await deletionsOf(opened) };
    },
    ...(secure && {
      async openSecure(t) {
        const broker = await secure();
        const { settings: good, ...opened } = await openOn(t, broker);
        const { wrong, refusals } = commonRefusals({
          kind: 'nats',
          good,
          certificates: broker.certificates,
          mayBeCut: true,
        });
        return {
          ...opened,
          refusals: {
            ...refusals,
            'a port without TLS': wrong(
              { url: (await brokers.plain()).url.replace('nats:', 'tls:') },
              /^url: the broker does not speak TLS/,
            ),
            'nobody to sign in as': wrong(
              { user: '', password: '' },
              /look at user, password and passwordFile/,
            ),
          },
        };
      },
    }),
  };
}

/** What an operator may delete under a session. */
async function deletionsOf({ connection, settings: { stream } }: Awaited<ReturnType<typeof open>>) {
  const manager = await jetstreamManager(connection);
  return {
    'the consumer': {
      delete: async () => void (await manager.consumers.delete(stream, 'conductor')),
      says: /consumer/i,
    },
    'the stream': {
      delete: async () => void (await manager.streams.delete(stream)),
      says: /stream|consumer/i,
    },
  };
}

interface Access {
  /** How the publisher gets in. */
  readonly access?: NodeConnectionOptions;
  /** What goes over the transport's own options. */
  readonly options?: Record<string, unknown> | undefined;
}

/** A stream of the case's own. */
export async function open(t: Test, { url }: Nats, { access = {}, options = {} }: Access = {}) {
  const id = randomUUID();
  const settings = {
    url,
    stream: id,
    subject: `conformance.${id}.*`,
    // What a session that was cut off has held is delivered again after it.
    ackWait: 3000,
    auth: { mode: 'subject' },
    ...options,
  };
  const signIn = (): Promise<NatsConnection> => connect({ servers: url, reconnect: false, ...access });
  let connection = await signIn();
  t.teardown(async () => {
    const manager = await jetstreamManager(connection);
    await manager.streams.delete(id);
    await connection.close();
  });
  // Makes the stream, so that there is something to publish to.
  const first = await make('nats', settings, 1000).connect(() => false);
  await first.stop(AbortSignal.timeout(5000));
  const store = async (sender: string, body: Uint8Array, more = {}) =>
    void (await jetstream(connection).publish(`conformance.${id}.${sender}`, body, more));
  return {
    connection,
    settings,
    store,
    reconnect: async () => {
      connection = await signIn();
    },
    transport: (messages: number, replica?: string, bytes?: number) =>
      make('nats', settings, messages, replica, bytes),
    publish: store,
  };
}
