import { startBroker } from '../../src/embedded/broker.ts';
import { answer } from '../run/child.ts';

/** The demo's MQTT broker as a process, for a machine on which no broker is installed. */
answer(async ({ port }: { port: number }) => startBroker(port));
