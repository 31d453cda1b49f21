/** A proxy in front of each of several servers; all are broken and repaired together, as a network is. */
import { startProxy, type TcpProxy } from '../../support/proxy.ts';

export type Network = Pick<TcpProxy, 'url' | 'cut' | 'delay' | 'halfOpen' | 'refuse' | 'restore' | 'stop'>;

export async function startProxies(ports: ReadonlyArray<number>): Promise<Network> {
  const proxies = await Promise.all(ports.map((port) => startProxy(port)));
  const each = (act: (proxy: TcpProxy) => void) => () => proxies.forEach(act);
  return {
    /** The same URL, each of its addresses by way of its proxy. */
    url: (direct) => proxies.reduce((url, proxy) => proxy.url(url), direct),
    cut: each((proxy) => proxy.cut()),
    delay: (milliseconds) => each((proxy) => proxy.delay(milliseconds))(),
    halfOpen: each((proxy) => proxy.halfOpen()),
    refuse: each((proxy) => proxy.refuse()),
    restore: async () => void (await Promise.all(proxies.map((proxy) => proxy.restore()))),
    stop: async () => void (await Promise.all(proxies.map((proxy) => proxy.stop()))),
  };
}
