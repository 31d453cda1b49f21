import { declareConformance } from '../conformance/declare.ts';
import { amqp10 } from '../conformance/subjects/amqp10.ts';
import { amqp091 } from '../conformance/subjects/amqp091.ts';

declareConformance([amqp091, amqp10], 'faults');
