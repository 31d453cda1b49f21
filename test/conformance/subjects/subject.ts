import type { Subject as ConformanceSubject } from '../../../src/conformance/index.ts';
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

/** One that may be restarted. */
export async function restartableOf<Broker>(brokers: Brokers<Broker>): Promise<Broker & Server> {
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
