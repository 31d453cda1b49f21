import type { Subject as ConformanceSubject, Opened, Test } from '../../../src/conformance/index.ts';
import { createTransport } from '../../../src/conformance/index.ts';
import type { Transport } from '../../../src/core/transport/contract.ts';
import { transportKinds } from '../../../src/transports/index.ts';
import { startProxy } from '../../support/proxy.ts';
import type { Secure } from '../../support/secure-brokers.ts';
import type { Server } from '../../support/server.ts';
import type { ServiceName } from '../../support/services.ts';

export type { Subject as ConformanceSubject, Test } from '../../../src/conformance/index.ts';

/** A transport that the suite is run on, and the service of this run that it takes. */
export interface Subject extends ConformanceSubject {
  readonly needs: ServiceName;
}

/** The brokers of one subject. */
export interface Brokers<Broker> {
  plain(): Broker | Promise<Broker>;
  /** With TLS; it may be restarted. Absent: `lacks.tls` says why. */
  readonly secure?: () => Promise<Broker & Server & Secure>;
  /** Where `secure` is absent. */
  readonly restartable?: () => Promise<Broker & Server>;
  /** What a transport's options have beside those of the case. */
  readonly options?: Readonly<Record<string, unknown>>;
  readonly lacks?: ConformanceSubject['lacks'];
}

export function make(
  kind: string,
  options: Readonly<Record<string, unknown>>,
  messages: number,
  replica?: string,
  bytes?: number,
): Transport {
  const found = transportKinds[kind];
  if (found === undefined) throw new Error(`${kind} is not a kind`);
  return createTransport(found, { kind, ...options }, messages, replica, bytes);
}

/** A proxy in front of the port of a URL, as the suite's network; with the URL by way of it. */
export async function openNetwork(t: Test, direct: string) {
  const proxy = await startProxy(Number(new URL(direct).port));
  t.teardown(proxy.stop);
  return { url: proxy.url(direct), network: proxy };
}

/** What a subject opens: a queue of the case's own, and the options of a transport on it. */
interface Own extends Opened {
  /** Of a replica with this name; `one` unless told. */
  optionsOf(replica?: string): Readonly<Record<string, unknown>> & { readonly url: string };
  /** The publisher's connection is made again, after a restart of the broker. */
  reconnect(): Promise<void>;
}

/** Both ends notice a silent connection soon, because cases wait for that. Seconds, and milliseconds of `connectTimeout`. */
export const quick: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  amqp091: { heartbeat: 1, connectTimeout: 1000 },
  amqp10: { heartbeat: 1, connectTimeout: 1000 },
  mqtt: { keepalive: 1, connectTimeout: 1000 },
  nats: { pingInterval: 1, connectTimeout: 1000 },
};

/** The offers of a subject that are made in the same way for every kind. */
export function commonOffers<Broker>({
  kind,
  brokers,
  openPlain,
  openOn,
}: {
  readonly kind: string;
  readonly brokers: Brokers<Broker>;
  openPlain(t: Test): Promise<Own>;
  openOn(t: Test, broker: Broker): Promise<Own>;
}): Pick<ConformanceSubject, 'openBehindProxy' | 'openRestartable' | 'openForProcesses'> {
  const module = new URL(`../../../src/transports/${kind}/index.ts`, import.meta.url).href;
  return {
    async openBehindProxy(t) {
      const opened = await openPlain(t);
      const { url, network } = await openNetwork(t, opened.optionsOf().url);
      const optionsOf = (replica?: string) => ({ ...opened.optionsOf(replica), ...quick[kind], url });
      const transport = (messages: number, replica?: string) => make(kind, optionsOf(replica), messages);
      return { ...opened, network, transport };
    },
    async openRestartable(t) {
      const start = brokers.secure ?? brokers.restartable;
      if (start === undefined) throw new Error('no broker may be restarted');
      const broker = await start();
      const opened = await openOn(t, broker);
      return { ...opened, restart: () => broker.restart().then(opened.reconnect) };
    },
    async openForProcesses(t) {
      const opened = await openPlain(t);
      const replica = (replica: string, messages: number) => ({
        module,
        exported: kind,
        options: { kind, ...opened.optionsOf(replica) },
        messages,
        replica,
      });
      return { ...opened, replica };
    },
  };
}
