import { versionOf, whyMissing } from '../../support/brokers/catalog.ts';
import { startJavaBroker } from '../../support/brokers/java.ts';
import { mqttSender } from '../senders/index.ts';
import { mqttSubjectOn } from '../subjects/mqtt.ts';
import { declareCases, declareSenderCases, once } from './declare.ts';

const broker = once(async () => {
  const started = await startJavaBroker('hivemq');
  return Object.assign(started, { url: `mqtt://127.0.0.1:${started.port}` });
});

/** What is published one by one to a session that settles nothing in between. */
const heldBack = {
  why: 'HiveMQ sends a session nothing more until it has acknowledged all that it was sent',
  cases: [
    'what is not settled is delivered again to the next session',
    'what is released is delivered again',
    'no more is in flight than the bound; settling lets more in',
    'what is refused comes once the session is resumed, and only once',
    'paused and resumed, it goes on',
    "drained, it delivers nothing more, and what comes then is the next one's",
    'two replicas share the load, and each message comes to one of them, once',
    'a replica that has left in good order leaves nothing behind',
    'what is settled behind something that takes long is not delivered again',
    'a session that has ended takes settlements and publications without harm',
    'more than four times the bound pass behind one delivery that stays unsettled',
    'casts flow while a call is not answered for seconds, and its answer arrives then',
    'what is delivered a second time says so',
    'it stops with more than the bound queued; nothing is lost or delivered behind it',
    'an exception of who takes a delivery ends the session, and the message comes again',
    'a broker that is restarted ends the session, and nothing is lost',
    'what a replica held that is killed is delivered again',
    'a replica that is frozen does not starve the others, and goes on where it was',
    'over TLS, with a client certificate and credentials, messages arrive',
  ],
};

const missing = whyMissing('hivemq');
for (const version of ['5', '3.1.1'] as const) {
  const name = `hivemq ${versionOf('hivemq')}, mqtt ${version}`;
  declareCases(mqttSubjectOn(name, version, { plain: broker, secure: broker }), missing, [heldBack]);
  declareSenderCases(mqttSender(name, version, broker), missing);
}
