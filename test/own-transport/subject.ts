import { randomUUID } from 'node:crypto';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import spool from '../../examples/transport-spool/index.ts';
import { createTransport, type Subject } from '../../src/conformance/index.ts';
import { temporaryDirectory } from '../support/temporary.ts';

/** Where the example lies. */
export const spoolModule = new URL('../../examples/transport-spool/index.ts', import.meta.url);

/** A guest: writes the message elsewhere, so that nobody sees half of it, and moves it to its place. */
export async function drop(directory: string, sender: string, name: string, body: Buffer): Promise<void> {
  const folder = join(directory, 'new', sender);
  await mkdir(folder, { recursive: true });
  const unfinished = join(directory, randomUUID());
  await writeFile(unfinished, body);
  await rename(unfinished, join(folder, name));
}

/** The example in examples/transport-spool, as its author would prove it. */
export const spoolSubject: Subject = {
  name: 'spool',
  settlesOutOfOrder: true,
  boundedByBroker: true,
  lacks: {
    callers: 'a folder has no reply address',
    proxy: 'there is no network in between',
    restart: 'there is no broker',
    tls: 'there is no network in between',
    hostile: 'a message has no properties but the names of file and folder, which the file system checks',
    impatient: 'there is no broker to lose its patience',
    limit: 'a folder has no reply address',
    redelivered: 'a file that was given back is a file like any other',
  },
  open: async (_t, options) => open(options),
  async openForProcesses() {
    const { options, ...opened } = open();
    const replica = (replica: string, messages: number) => ({
      module: spoolModule.href,
      options,
      messages,
      replica,
    });
    return { ...opened, replica };
  },
  async openDeletable() {
    const opened = open();
    const unread = join(opened.options.directory, 'new');
    const deletions = {
      'the folder': { delete: () => rm(unread, { recursive: true, force: true }), says: /ENOENT.*new/ },
    };
    return { ...opened, deletions };
  },
};

function open(more: Record<string, unknown> = {}) {
  const directory = temporaryDirectory('spool');
  const options = { kind: 'spool', directory, interval: 5, auth: { mode: 'subject' }, ...more };
  let count = 0;
  return {
    options,
    transport: (messages: number, replica?: string) => createTransport(spool, options, messages, replica),
    publish: (sender: string, body: Buffer) => {
      count += 1;
      return drop(directory, sender, String(count).padStart(8, '0'), body);
    },
  };
}
