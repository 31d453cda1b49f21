import { versionOf, whyMissing } from '../../support/brokers/catalog.ts';
import { startJavaBroker } from '../../support/brokers/java.ts';
import { mqttSubjectOn } from '../subjects/mqtt.ts';
import { declareCases, once } from './declare.ts';

const broker = once(async () => {
  const started = await startJavaBroker('hivemq');
  return Object.assign(started, { url: `mqtt://127.0.0.1:${started.port}` });
});

/** What is published one by one to a session that settles nothing in between. */
const heldBack = {
  why: 'HiveMQ sends a session nothing more until it has acknowledged all that it was sent',
  cases: [
    'an unsettled message is delivered again to the next session',
    'a released message is delivered again',
    'no more is in flight than the bound; settling lets more in',
    'a refused message comes again after the session is resumed, and only once',
    'a session that is paused and resumed goes on',
    'a drained session delivers no more messages; the next session gets them',
    'two replicas share the load, and each message comes to one of them, once',
    'a replica that has left in good order leaves nothing behind',
    'a message that is settled behind a slow one is not delivered again',
    'a session that has ended takes settlements and publications without harm',
    'a broker that is restarted ends the session, and nothing is lost',
    'the messages that a killed replica held are delivered again',
    'a replica that is frozen does not starve the others, and goes on where it was',
    'over TLS, with a client certificate and credentials, messages arrive',
  ],
};

for (const version of ['5', '3.1.1'] as const)
  declareCases(
    mqttSubjectOn(`hivemq ${versionOf('hivemq')}, mqtt ${version}`, version, {
      plain: broker,
      secure: broker,
    }),
    whyMissing('hivemq'),
    heldBack,
  );
