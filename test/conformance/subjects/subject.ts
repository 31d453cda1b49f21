import type { Subject as ConformanceSubject } from '../../../src/conformance/index.ts';
import { createTransport } from '../../../src/conformance/index.ts';
import type { Transport } from '../../../src/core/transport/contract.ts';
import { transportKinds } from '../../../src/transports/index.ts';
import { startProxy } from '../../support/proxy.ts';
import type { ServiceName } from '../../support/services.ts';

export type { Opened, Test } from '../../../src/conformance/index.ts';

/** A transport that the suite is run on, and the service of this run that it takes. */
export interface Subject extends ConformanceSubject {
  readonly needs: ServiceName;
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
