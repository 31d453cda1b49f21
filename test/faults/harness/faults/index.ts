import type { Fault } from '../world.ts';
import { brokerFaults } from './broker.ts';
import { conductorFaults } from './conductor.ts';
import { networkFaults } from './network.ts';
import { postgresFaults } from './postgres.ts';

/** All faults, in the order of the report. */
export const faults: ReadonlyArray<Fault> = [
  ...conductorFaults,
  ...brokerFaults,
  ...networkFaults,
  ...postgresFaults,
];
