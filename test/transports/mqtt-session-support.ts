import { randomUUID } from 'node:crypto';
import type { ExecutionContext } from 'ava';
import mqtt, { type IClientOptions } from 'mqtt';
import { pino } from 'pino';
import type { Logger } from '../../src/core/logger.ts';
import type { Deliver, Session, Transport } from '../../src/core/transport/contract.ts';
import { transportKinds } from '../../src/transports/index.ts';
import { service } from '../support/services.ts';

export const versions = ['5', '3.1.1'] as const;
type Version = (typeof versions)[number];

/** A topic and a client id of the test's own, with what the conductor knows nothing of. */
export async function open(
  t: ExecutionContext,
  version: Version,
  more: Readonly<Record<string, unknown>> = {},
  url = service('mosquitto').url,
) {
  const id = randomUUID();
  const topic = `session/${id}`;
  const options = { version, topic: `${topic}/+`, clientId: id, ...more };
  const { logger, codes } = logOfCodes();
  const asReplica: IClientOptions = {
    clientId: id,
    clean: false,
    reconnectPeriod: 0,
    protocolVersion: version === '5' ? 5 : 4,
    ...(version === '5' && { properties: { sessionExpiryInterval: 3600 } }),
  };
  const endSession = async () => {
    const client = await mqtt.connectAsync(url, { ...asReplica, clean: true, properties: {} });
    await client.endAsync();
  };
  const publisher = await mqtt.connectAsync(url, { protocolVersion: 5, reconnectPeriod: 0 });
  t.teardown(async () => {
    await publisher.endAsync();
    await endSession();
  });
  return {
    codes,
    endSession,
    transport: (messages: number, by = url): Transport =>
      create({ ...options, url: by }, messages, 'one', logger),
    /** By a replica of another name, as it registers. */
    adopt: async (messages: number, deliver: Deliver): Promise<Session> => {
      const { kept } = create({ ...options, url }, messages, 'one', logger);
      const peer = create({ ...options, url, clientId: '' }, messages, 'peer', logger);
      if (kept === undefined || peer.adopt === undefined) throw new Error('mqtt keeps sessions');
      return peer.adopt(kept, deliver, { messages, bytes: 2 ** 20 });
    },
    /** The session as a replica leaves it that is killed. */
    keep: async (qos: 1 | 2 = 1) => {
      const client = await mqtt.connectAsync(url, asReplica);
      await client.subscribeAsync(`$share/conductors/${topic}/+`, { qos });
      await client.endAsync();
    },
    publish: async (count: number, from = 0, qos: 1 | 2 = 1) => {
      const texts = Array.from({ length: count }, (_, number) => `message ${from + number}`);
      await Promise.all(texts.map((text) => publisher.publishAsync(`${topic}/guest`, text, { qos })));
    },
    retain: async (text: string) => {
      await publisher.publishAsync(`${topic}/guest`, text, { qos: 1, retain: true });
    },
    hasSession: async () => {
      const client = mqtt.connect(url, { ...asReplica, manualConnect: true });
      const present = new Promise<boolean>((resolve) =>
        client.once('connect', ({ sessionPresent }) => resolve(sessionPresent)),
      );
      client.connect();
      try {
        return await present;
      } finally {
        await client.endAsync();
      }
    },
  };
}

function create(
  options: Readonly<Record<string, unknown>>,
  messages: number,
  replica: string,
  logger: Logger,
): Transport {
  const kind = transportKinds.mqtt;
  if (kind === undefined) throw new Error('mqtt is not a kind');
  return kind
    .configure('guests', { kind: 'mqtt', ...options })
    .create({ share: { messages, bytes: 2 ** 24 }, replica, logger });
}

/** The codes of the warnings that are logged; the bound of the broker has none. */
function logOfCodes() {
  const lines: { code?: string }[] = [];
  const logger = pino({ level: 'warn' }, { write: (line) => void lines.push(JSON.parse(line)) });
  return { logger, codes: () => lines.flatMap(({ code }) => (code === undefined ? [] : [code])) };
}

export function textOf(body: Uint8Array): string {
  return Buffer.from(body).toString();
}
