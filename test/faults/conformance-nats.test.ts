import { declareConformance } from '../conformance/declare.ts';
import { nats } from '../conformance/subjects/nats.ts';

declareConformance([nats], 'faults');
