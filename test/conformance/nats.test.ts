import { declareConformance } from './declare.ts';
import { nats } from './subjects/nats.ts';

declareConformance([nats], 'others');
