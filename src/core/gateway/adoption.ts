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

/** A session of a replica that is gone. */
export interface LeftSession extends KeptSession {
  /** The replica that is gone. */
  readonly replica: string;
}

/** An adoption that runs. */
export interface Adopting extends Pick<LeftSession, 'replica' | 'clientId'> {
  /** Milliseconds of the monotonic clock. */
  readonly since: number;
  /** Messages that were taken from it so far. */
  readonly messages: number;
}

/** How an adoption may end: `failed` if the broker or the database refuses. `Adoption` has the others. */
export const adoptionEnds = ['ended', 'displaced', 'unfinished', 'failed'] as const;

/** The adoptions of one transport since the start, by their end, and the messages that were taken. */
export type AdoptionCounts = Readonly<Record<(typeof adoptionEnds)[number] | 'messages', number>>;

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
  private readonly counted = { ended: 0, displaced: 0, unfinished: 0, failed: 0, messages: 0 };
  private running: Adopting | undefined;

  constructor(parts: AdopterParts) {
    this.parts = parts;
  }

  /** The adoption that runs now, if any does. */
  get present(): Adopting | undefined {
    return this.running;
  }

  get counts(): AdoptionCounts {
    return this.counted;
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
    left: LeftSession,
    signal: AbortSignal,
    whileOwned: (end: () => Promise<boolean>) => Promise<void>,
  ): Promise<Adoption> {
    const { replica, clientId } = left;
    const running = { replica, clientId, since: performance.now(), messages: 0 };
    this.running = running;
    try {
      const end = await this.takeOver(left, signal, whileOwned, () => {
        running.messages += 1;
        this.counted.messages += 1;
      });
      this.counted[end] += 1;
      return { end, messages: running.messages };
    } catch (error) {
      this.counted.failed += 1;
      throw error;
    } finally {
      this.running = undefined;
    }
  }

  private async takeOver(
    kept: KeptSession,
    signal: AbortSignal,
    whileOwned: (end: () => Promise<boolean>) => Promise<void>,
    onTaken: () => void,
  ): Promise<Adoption['end']> {
    const { inlet, share } = this.parts;
    const transport = this.parts.transport();
    if (transport.adopt === undefined) throw new TypeError('the transport keeps no sessions');
    const deliver = (delivery: Delivery) => {
      const isTaken = inlet.deliver(delivery);
      if (isTaken) onTaken();
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
    if (session.leavesNothing) return 'ended';
    return error instanceof Displaced ? 'displaced' : 'unfinished';
  }

  /** Ends the connection. The messages in flight are waited for, so that they need not come again. */
  private async giveBack(session: Session): Promise<void> {
    const patience = AbortSignal.timeout(finishPatience);
    await settledBy(session.drain(AbortSignal.abort(), true), patience);
    while (this.parts.inlet.held > 0 && !patience.aborted) await pause(20, patience);
    await session.stop(AbortSignal.timeout(endPatience));
  }
}
