import type { TransportSetup } from '../../core/config/transport-kind.ts';
import { settledBy } from '../../core/deadline.ts';
import type {
  Deliver,
  Inspection,
  KeptSession,
  Session,
  Share,
  Transport,
} from '../../core/transport/contract.ts';
import { establish, lookAt } from '../../core/transport/establish.ts';
import { type Connection, lossOf, maxReceiveMaximum, openConnection } from './connect.ts';
import { durabilityOf } from './durability.ts';
import { probe, warnOfForgottenSession, warnOfPassingName } from './losses.ts';
import type { MqttOptions } from './options.ts';
import { MqttSession } from './session.ts';

/** Milliseconds for the end of a connection that only looked. */
const closePatience = 1000;

class MqttTransport implements Transport {
  readonly name: string;
  private readonly options: MqttOptions;
  private readonly setup: TransportSetup;
  readonly kept: KeptSession;
  /** Whether this transport has subscribed before. Then the broker has a session of ours. */
  private subscribedBefore = false;

  constructor(options: MqttOptions, setup: TransportSetup, kept: KeptSession) {
    this.name = setup.name;
    this.options = options;
    this.setup = setup;
    this.kept = kept;
    warnOfPassingName(options.clientId || setup.replica, options, setup.logger);
  }

  connect(deliver: Deliver): Promise<Session> {
    const { kept, options } = this;
    const { logger, share } = this.setup;
    return this.begin(kept, deliver, share, async (session, { connack }) => {
      probe(connack, options, boundOf(share), logger);
      if (this.subscribedBefore) warnOfForgottenSession(connack, kept.clientId, logger);
      await session.start();
      this.subscribedBefore = true;
    });
  }

  adopt(kept: KeptSession, deliver: Deliver, share: Share): Promise<Session> {
    return this.begin(kept, deliver, share, (session) => session.adopt());
  }

  private begin(
    { clientId, subscription }: KeptSession,
    deliver: Deliver,
    share: Share,
    start: (session: MqttSession, connection: Connection) => Promise<void> | void,
  ): Promise<Session> {
    const { options } = this;
    const bound = boundOf(share);
    return establish(
      () => this.open(clientId, bound, false),
      async (connection) => {
        const discard = (deadline: AbortSignal) => this.discardSession(clientId, deadline);
        const session = new MqttSession(connection, { options, subscription, bound, deliver, discard });
        await start(session, connection);
        return session;
      },
      ({ tap }) => tap.destroy(),
      lossOf,
    );
  }

  /** With a client id of its own, since the broker would end the session of a running replica with the same one. It does not subscribe. */
  inspect(): Promise<Inspection> {
    const { options, kept, setup } = this;
    return lookAt(
      () => openConnection(options, { clientId: `${kept.clientId}-doctor`, clean: true }),
      async ({ connack }) => {
        probe(connack, options, boundOf(setup.share), setup.logger);
        return { missing: [], durability: durabilityOf(connack, options) };
      },
      ({ client, life }) => life.stop(AbortSignal.timeout(closePatience), () => client.endAsync()),
      lossOf,
    );
  }

  /** Ends the session that the broker keeps. In 3.1.1 only a clean connection can do so. Resolves with whether it has. Never rejects. */
  private async discardSession(clientId: string, deadline: AbortSignal): Promise<boolean> {
    let isDone = false;
    const discarding = this.open(clientId, 1, true).then(({ client, life }) => {
      isDone = true;
      return life.stop(deadline, () => client.endAsync());
    });
    await settledBy(discarding, deadline);
    return isDone;
  }

  private open(clientId: string, bound: number, clean: boolean): Promise<Connection> {
    const { options } = this;
    const settings = {
      clientId,
      clean,
      ...(options.version === '5' && {
        properties: { receiveMaximum: bound, sessionExpiryInterval: options.sessionExpiry },
      }),
    };
    return openConnection(options, settings, this.setup.readsTrace);
  }
}

/** How many messages may be in flight to a session. */
function boundOf({ messages }: Share): number {
  return Math.min(messages, maxReceiveMaximum);
}

/** Connects to an MQTT broker, and starts a session or takes one over. */
export function createTransport(options: MqttOptions, setup: TransportSetup, kept: KeptSession): Transport {
  return new MqttTransport(options, setup, kept);
}
