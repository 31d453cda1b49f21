/** What a round waits for at its end. */
import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../../../src/core/errors.ts';
import type { Replica } from './replica.ts';
import type { RoundBroker } from './world.ts';

/**
 * Until no replica holds or receives anything. Messages that come again may come after everything has settled, and no broker says whether it
 * will deliver one again. So only time without a change can show the end.
 */
export async function untilQuiet(replicas: ReadonlyArray<Replica>): Promise<void> {
  const quiet = 1500;
  const patience = 30_000;
  const begin = performance.now();
  let [last, since] = ['', performance.now()];
  while (performance.now() - since < quiet && performance.now() - begin < patience) {
    const accounts = await Promise.all(replicas.map((replica) => replica.audit()));
    const now = JSON.stringify(accounts);
    if (now !== last || accounts.some((one) => one?.held !== 0)) [last, since] = [now, performance.now()];
    await sleep(100);
  }
}

/**
 * What the broker keeps after a minute and a half, while the replicas run: a server may be slow to settle and to deliver again. If that is a
 * known fault of the broker, it is mended, and the broker gets as much time again.
 *
 * @param settled waits until all messages are in the database.
 */
export async function untilEmpty(
  broker: RoundBroker,
  print: (line: string) => void,
  settled: () => Promise<void>,
): Promise<string | undefined> {
  const left = await emptied(broker, print);
  const mended = left === undefined ? undefined : await broker.mend?.();
  if (mended === undefined) return left;
  print(mended);
  await settled();
  return emptied(broker, print);
}

async function emptied({ leftYet }: RoundBroker, print: (line: string) => void): Promise<string | undefined> {
  const begin = performance.now();
  for (;;) {
    const left = await leftYet?.().catch(messageOf);
    if (left === undefined || performance.now() - begin > 90_000) return left;
    print(`the broker is not empty yet: ${left}`);
  }
}
