import { versionOf, whyMissing } from '../../support/brokers/catalog.ts';
import {
  startCurrentNats,
  startNatsCluster,
  startSecureCurrentNats,
} from '../../support/brokers/nats-server.ts';
import { natsSender } from '../senders/index.ts';
import { natsSubject } from '../subjects/nats.ts';
import { declareCases, declareSenderCases, once } from './declare.ts';

/** The current nats-server, alone and as a cluster of three that keeps each stream three times. */

const missing = whyMissing('nats-server');
const version = versionOf('nats-server');

const alone = `nats-server ${version}`;
const plain = once(startCurrentNats);
declareCases(natsSubject(alone, { plain, secure: once(startSecureCurrentNats) }), missing);
declareSenderCases(natsSender(alone, plain), missing);

const three = `three nats-server ${version}`;
const cluster = once(startNatsCluster);
const options = { streamReplicas: 3 };
declareCases(
  natsSubject(three, {
    plain: cluster,
    restartable: cluster,
    options,
    lacks: { tls: 'a server of a cluster listens for clients as one alone does' },
  }),
  missing,
);
declareSenderCases(natsSender(three, cluster, options), missing);
