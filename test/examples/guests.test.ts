import { waitFor } from '../support/wait.ts';
import { asked, declare, examples, heardOf, nameOf, start } from './guests-support.ts';

/** The guests in examples/guests, as a developer starts them, by way of real brokers into Postgres. */

for (const example of examples) {
  const name = nameOf(example);
  const guestTest = declare(example);

  guestTest(`${name}: its heartbeats and its backup reach Postgres, and it ends on SIGTERM`, async (t) => {
    const running = await start(t, example, 'backup-1');
    const { database, guest } = running;
    const first = await heardOf(running);
    t.is(first.status_description, 'running');
    const later = await heardOf(running, first.sent);
    // The next one comes after an interval of 1 s, but for the jitter.
    t.true(later.sent - first.sent > 0.85, `${later.sent - first.sent} s apart`);
    const backup = await waitFor(
      async () => {
        const [row] = await database.query<{ state: string }>('SELECT * FROM backups');
        return row?.state === 'COMPLETED' && row;
      },
      { what: 'the finished backup in Postgres', process: guest },
    );
    t.like(backup, { size: 0.3, checksum: 'd41d8cd98f00b204e9800998ecf8427e', backup_type: 'full' });
    guest.signal('SIGTERM');
    t.deepEqual(await guest.exited, { code: 0, signal: null }, guest.output());
    t.is(guest.output(), '');
    t.is((await database.query('SELECT FROM dead_letters')).length, 0);
  });

  guestTest(
    `${name}: it reports as often as the conductor asks for, the second time at random`,
    async (t) => {
      // The conductor asks for one second. The guest signs.
      const running = await start(t, example, 'backup-1', '600');
      const first = await heardOf(running);
      await asked(running);
      const second = await heardOf(running, first.sent);
      t.true(second.sent - first.sent > 1, `${second.sent - first.sent} s apart`);
      const third = await heardOf(running, second.sent);
      t.true(third.sent - second.sent > 0.85, `${third.sent - second.sent} s apart`);
    },
  );
}
