/** Two faults at once: one on the broker's side of a replica, one on the database's side. */
import type { Fault } from '../world.ts';
import { conductorFaults } from './conductor.ts';
import { networkFaults } from './network.ts';
import { postgresFaults } from './postgres.ts';
import { rowFaults } from './rows.ts';

const brokerSide = [...conductorFaults, ...networkFaults.filter(({ name }) => name.startsWith('broker-'))];
const databaseSide = [...postgresFaults, ...rowFaults];

export const two: Fault = {
  name: 'two-at-once',
  lasts: [500, 4000],
  run: async (world, lasts, random) => {
    const both = [random.pick(brokerSide), random.pick(databaseSide)];
    const details = await Promise.all(
      both.map((fault) => fault.run(world, random.between(0, lasts), random)),
    );
    return both.map(({ name }, index) => `${name}: ${details[index]}`).join('; ');
  },
};
