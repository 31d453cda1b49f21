import { amqp10 } from './amqp10.ts';
import { amqp091 } from './amqp091.ts';
import { mqttSubject } from './mqtt.ts';
import { nats } from './nats.ts';
import type { Subject } from './subject.ts';

/** Every transport that the suite is run on. */
export const subjects: ReadonlyArray<Subject> = [
  amqp091,
  amqp10,
  mqttSubject('5'),
  mqttSubject('3.1.1'),
  nats,
];
