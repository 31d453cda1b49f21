import type { Subject as ConformanceSubject, Opened, Test } from '../../../src/conformance/index.ts';
import { createTransport } from '../../../src/conformance/index.ts';
import type { Transport } from '../../../src/core/transport/contract.ts';
import { transportKinds } from '../../../src/transports/index.ts';
import { startProxy } from '../../support/proxy.ts';
import type { Secure } from '../../support/secure-brokers.ts';
import type { Server } from '../../support/server.ts';
import type { ServiceName } from '../../support/services.ts';

export type { Opened, Subject as ConformanceSubject, Test } from '../../../src/conformance/index.ts';

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

/** A broker that may be restarted. */
async function restartableOf<Broker>(brokers: Brokers<Broker>): Promise<Broker & Server> {
  const start = brokers.secure ?? brokers.restartable;
  if (start === undefined) throw new Error('no broker may be restarted');
  return start();
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
export async function openNetwork(t: { teardown(end: () => Promise<unknown>): void }, direct: string) {
  const proxy = await startProxy(Number(new URL(direct).port));
  t.teardown(proxy.stop);
  return { url: proxy.url(direct), network: proxy };
}

interface CommonOffers<Broker, Own extends Opened> {
  readonly kind: string;
  /** Options by which both ends notice a silent connection soon, because cases wait for that. */
  readonly quick: Readonly<Record<string, unknown>>;
  readonly brokers: Brokers<Broker>;
  /** Opens a queue of the case's own. */
  open(t: Test, broker: Broker): Promise<Own>;
  /** The options of a transport on it. */
  optionsOf(opened: Own, replica?: string): Readonly<Record<string, unknown>> & { readonly url: string };
  /** Makes the publisher's connection again, after a restart of the broker. */
  reconnect(opened: Own): Promise<void>;
}

/** The offers that every kind makes in the same way. */
export function commonOffers<Broker, Own extends Opened>({
  kind,
  quick,
  brokers,
  open,
  optionsOf,
  reconnect,
}: CommonOffers<Broker, Own>): Pick<
  ConformanceSubject,
  'openBehindProxy' | 'openRestartable' | 'openForProcesses'
> {
  const module = new URL(`../../../src/transports/${kind}/index.ts`, import.meta.url).href;
  return {
    async openBehindProxy(t) {
      const opened = await open(t, await brokers.plain());
      const { url, network } = await openNetwork(t, optionsOf(opened).url);
      const transport = (messages: number, replica?: string) =>
        make(kind, { ...optionsOf(opened, replica), ...quick, url }, messages);
      return { ...opened, network, transport };
    },
    async openRestartable(t) {
      const broker = await restartableOf(brokers);
      const opened = await open(t, broker);
      const restart = async () => {
        await broker.restart();
        await reconnect(opened);
      };
      return { ...opened, restart };
    },
    async openForProcesses(t) {
      const opened = await open(t, await brokers.plain());
      const replica = (replica: string, messages: number) => ({
        module,
        exported: kind,
        options: { kind, ...optionsOf(opened, replica) },
        messages,
        replica,
      });
      return { ...opened, replica };
    },
  };
}
