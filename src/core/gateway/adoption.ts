import { pause } from '../backoff.ts';
import { settledBy } from '../deadline.ts';
import { Displaced } from '../errors.ts';
import type { Delivery, KeptSession, Session, Share, Transport } from '../transport/contract.ts';
import type { Inlet } from './dispatcher.ts';

export interface AdopterParts {
  /** The transport, as it signs in now. */
  readonly transport: () => Pick<Transport, 'adopt'>;
  /** For adopted sessions alone. */
  readonly inlet: Pick<Inlet, 'deliver' | 'forget' | 'held'>;
  /** Bounds what may be in flight to an adopted session. */
  readonly share: Share;
}

export interface Adoption {
  /**
   * `ended`: the broker's session had nothing left and is gone. `displaced`: its owner is back. `unfinished`: it stays at the broker with what is left
   * in it.
   */
  readonly end: 'ended' | 'displaced' | 'unfinished';
  /** Messages that were taken from it. */
  readonly messages: number;
}

/** Milliseconds to end a session at the broker. The database waits meanwhile. */
const endPatience = 1000;

/** Milliseconds for messages in flight when the adopter gives way. */
const finishPatience = 2000;

/** Takes over the sessions that the broker keeps for replicas that are gone, one at a time. */
export class Adopter {
  private readonly parts: AdopterParts;

  constructor(parts: AdopterParts) {
    this.parts = parts;
  }

  /**
   * Takes the messages of a kept session, and then ends it at the broker. Rejects with NotConnected or ConfigError if the broker does not give
   * it.
   *
   * @param signal aborted: the session stays at the broker, with what is not settled yet.
   * @param whileOwned calls `end` while no other replica can take the session, or does not call it. `end` resolves with whether the session is
   *   gone.
   */
  async adopt(
    kept: KeptSession,
    signal: AbortSignal,
    whileOwned: (end: () => Promise<boolean>) => Promise<void>,
  ): Promise<Adoption> {
    const { inlet, share } = this.parts;
    const transport = this.parts.transport();
    if (transport.adopt === undefined) throw new TypeError('the transport keeps no sessions');
    let messages = 0;
    const deliver = (delivery: Delivery) => {
      const isTaken = inlet.deliver(delivery);
      if (isTaken) messages += 1;
      return isTaken;
    };
    const session = await transport.adopt(kept, deliver, share);
    let error: unknown;
    const closed = session.closed.then((reason) => {
      error = reason;
      inlet.forget(session);
    });
    try {
      await settledBy(Promise.race([session.drain(signal), closed]), signal);
      if (!signal.aborted && error === undefined && inlet.held === 0)
        await whileOwned(async () => {
          await session.stop(AbortSignal.timeout(endPatience));
          return session.leavesNothing === true;
        });
    } finally {
      if (!session.leavesNothing) await this.giveBack(session);
      await closed;
    }
    if (session.leavesNothing) return { end: 'ended', messages };
    return { end: error instanceof Displaced ? 'displaced' : 'unfinished', messages };
  }

  /** Ends the connection. The messages in flight are waited for, so that they need not come again. */
  private async giveBack(session: Session): Promise<void> {
    const patience = AbortSignal.timeout(finishPatience);
    await settledBy(session.drain(AbortSignal.abort(), true), patience);
    while (this.parts.inlet.held > 0 && !patience.aborted) await pause(20, patience);
    await session.stop(AbortSignal.timeout(endPatience));
  }
}
