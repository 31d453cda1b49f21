import { declareConformance } from './declare.ts';
import { mqttSubject } from './subjects/mqtt.ts';

declareConformance([mqttSubject('5'), mqttSubject('3.1.1')], 'others');
