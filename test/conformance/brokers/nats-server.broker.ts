import { versionOf, whyMissing } from '../../support/brokers/catalog.ts';
import {
  startCurrentNats,
  startNatsCluster,
  startSecureCurrentNats,
} from '../../support/brokers/nats-server.ts';
import { natsSubject } from '../subjects/nats.ts';
import { declareCases, once } from './declare.ts';

/** The current nats-server, alone and as a cluster of three that keeps each stream three times. */

const missing = whyMissing('nats-server');
const version = versionOf('nats-server');

declareCases(
  natsSubject(`nats-server ${version}`, {
    plain: once(startCurrentNats),
    secure: once(startSecureCurrentNats),
  }),
  missing,
);

const cluster = once(startNatsCluster);
declareCases(
  natsSubject(`three nats-server ${version}`, {
    plain: cluster,
    restartable: cluster,
    options: { streamReplicas: 3 },
    lacks: { tls: 'a server of a cluster listens for clients as one alone does' },
  }),
  missing,
);
