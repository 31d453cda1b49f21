import type { Fault } from '../world.ts';
import { brokerFaults } from './broker.ts';
import { conductorFaults } from './conductor.ts';
import { exhaustedFaults } from './exhausted.ts';
import { failoverFaults } from './failover.ts';
import { frozenFaults } from './frozen.ts';
import { networkFaults } from './network.ts';
import { nodeFaults } from './node.ts';
import { postgresFaults } from './postgres.ts';
import { rowFaults } from './rows.ts';
import { schemaFaults } from './schema.ts';
import { two } from './together.ts';
import { workerFaults } from './worker.ts';

/** All faults, in the order of the report. */
export const faults: ReadonlyArray<Fault> = [
  ...conductorFaults,
  ...workerFaults,
  ...brokerFaults,
  ...nodeFaults,
  ...networkFaults,
  ...postgresFaults,
  ...failoverFaults,
  ...frozenFaults,
  ...rowFaults,
  ...schemaFaults,
  ...exhaustedFaults,
  two,
];
