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
    'more than four times the bound pass behind one delivery that stays unsettled',
    'casts flow while a call is not answered for seconds, and its answer arrives then',
    'a redelivered message is marked as redelivered',
    'a session stops with more than the bound queued; it loses no message, and delivers none after its stop',
    'an exception in the taker of a delivery ends the session, and the message comes again',
    'a broker that is restarted ends the session, and nothing is lost',
    'the messages that a killed replica held are delivered again',
    'a replica that is frozen does not starve the others, and goes on where it was',
    'over TLS, with a client certificate and credentials, messages arrive',
    'no properties that a sender chooses end the session, and good messages around them arrive',
    'a session ends if an object that it depends on is deleted; the error names the object, and the next session works',
  ],
};

/** The same, of what a sender sends. */
const heldBackFromSender = {
  why: heldBack.why,
  cases: [
    '1000 messages that are sent at once all arrive, once',
    'the properties of a message arrive as they were sent',
    'a message for an address that nobody may send to is undeliverable, and the session goes on',
    'a session stops once the messages under way have arrived',
  ],
};

const missing = whyMissing('hivemq');
for (const version of ['5', '3.1.1'] as const) {
  const name = `hivemq ${versionOf('hivemq')}, mqtt ${version}`;
  declareCases(mqttSubjectOn(name, version, { plain: broker, secure: broker }), missing, [heldBack]);
  declareSenderCases(mqttSender(name, version, broker), missing, [heldBackFromSender]);
}
