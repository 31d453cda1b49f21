import { versionOf, whyMissing } from '../../support/brokers/catalog.ts';
import { startJavaBroker } from '../../support/brokers/java.ts';
import { mqttSubjectOn } from '../subjects/mqtt.ts';
import { declareCases, once } from './declare.ts';

const broker = once(async () => {
  const started = await startJavaBroker('hivemq');
  return Object.assign(started, { url: `mqtt://127.0.0.1:${started.port}` });
});

for (const version of ['5', '3.1.1'] as const)
  declareCases(
    mqttSubjectOn(`hivemq ${versionOf('hivemq')}, mqtt ${version}`, version, {
      plain: broker,
      secure: broker,
    }),
    whyMissing('hivemq'),
  );
