import test from 'ava';
import { programVersions } from '../../bench/report/versions.ts';
import { freePort, isListening } from '../support/ports.ts';

test('the versions of the programs are found, and Erlang’s port mapper is not left behind', async (t) => {
  const port = await freePort();
  // Each start of Erlang now starts a port mapper of its own, even if the machine runs one.
  process.env.ERL_EPMD_PORT = String(port);

  const versions = await programVersions();

  t.is(versions.node, process.version);
  for (const [name, version] of Object.entries(versions)) t.regex(version, /\d+\.\d+/, name);
  t.false(await isListening(port));
});
