import { declareConformance } from './declare.ts';
import { amqp10 } from './subjects/amqp10.ts';
import { amqp091 } from './subjects/amqp091.ts';

declareConformance([amqp091, amqp10], 'others');
