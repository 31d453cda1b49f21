import { declareConformance } from '../conformance/declare.ts';
import { mqttSubject } from '../conformance/subjects/mqtt.ts';

declareConformance([mqttSubject('5'), mqttSubject('3.1.1')], 'faults');
