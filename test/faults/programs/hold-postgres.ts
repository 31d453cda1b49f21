/** Starts Postgres on the data directory and port given, prints its process id, and stays until it is ended. */
import { embeddedBinaries, startPostgres } from '../../../src/embedded/postgres.ts';

const [, , dataDirectory = '', port = ''] = process.argv;
const server = await startPostgres({ binaries: await embeddedBinaries(), dataDirectory, port: Number(port) });
console.log(`pid ${server.pid}`);
process.once('SIGTERM', () => process.exit(0));
await server.exited;
