import type { Command } from 'commander';
import { checkSender } from '../client/options.ts';
import type { Config } from '../core/config/load.ts';
import { ConfigError } from '../core/errors.ts';
import { createSenderKey, readMasterKey, type SenderKey, senderKeyText } from '../core/message/sender-key.ts';
import type { Query } from '../database/query.ts';
import {
  endOtherKeys,
  insertSenderKey,
  type ListedKey,
  listSenderKeys,
  mostLive,
  revokeSenderKeys,
} from '../database/sender-keys.ts';
import { type CommandLine, count, duration } from './command-line.ts';
import { withExamples } from './examples.ts';
import { reencrypt } from './keys-reencrypt.ts';
import { operator } from './operator.ts';
import { tableText } from './table.ts';
import { withTable } from './with-table.ts';

interface Flags {
  readonly config: string;
  readonly json: boolean;
}

interface MakingFlags extends Flags {
  readonly by: string;
  readonly validFor?: number;
}

/** `conductor keys`. */
export function addKeys(program: Command, line: CommandLine): void {
  const keys = program.command('keys').description('the keys by which senders sign their messages');
  const made = making(keys, 'create', 'make a key of a sender and print it, once').action(
    (sender: string, flags: MakingFlags) =>
      withKeys(line, flags, (query, config) => create(line, query, config, sender, flags)),
  );
  const rotated = making(keys, 'rotate', 'make a new key, and let the old one end')
    .option('--overlap <time>', 'how long the old key is valid, such as 12h or 7d', duration, 7 * 86_400_000)
    .action((sender: string, flags: MakingFlags & { overlap: number }) =>
      withKeys(line, flags, async (query, config) => {
        const key = await create(line, query, config, sender, flags);
        await endOtherKeys(query, key, flags.overlap);
      }),
    );
  const revoked = configured(keys, 'revoke', 'refuse all that is signed with a key, within seconds')
    .argument('<sender>', 'an instance id or the name of a service')
    .argument('[key id]', 'without it: all keys of the sender')
    .action((sender: string, keyId: string | undefined, flags: Flags) =>
      withKeys(line, flags, async (query) => {
        const revoked = await revokeSenderKeys(query, sender, keyId);
        if (revoked.length === 0)
          throw new Error(
            `${sender} has no such key that is not revoked; conductor keys list shows its keys`,
          );
        line.print(flags.json ? JSON.stringify({ sender, revoked }) : `Revoked: ${revoked.join(', ')}.`);
      }),
    );
  const listed = configured(keys, 'list', 'list the keys, without their values')
    .argument('[sender]', 'only the keys of this sender')
    .option('--limit <count>', 'this many keys at most', count, 100)
    .action((sender: string | undefined, flags: Flags & { limit: number }) =>
      withKeys(line, flags, async (query) => {
        const rows = await listSenderKeys(query, sender, flags.limit + 1);
        const shown = rows.slice(0, flags.limit);
        const isCut = rows.length > shown.length;
        line.print(flags.json ? JSON.stringify({ keys: shown, more: isCut }) : tableOf(shown, isCut));
      }),
    );
  const reencrypted = configured(
    keys,
    'reencrypt',
    'encrypt the keys under keys.masterKey that are still encrypted under keys.previousMasterKey',
  ).action((flags: Flags) =>
    withKeys(line, flags, async (query, config) => {
      const { lostNames, ...counts } = await reencrypt(query, config);
      const { changed, unchanged, lost } = counts;
      line.print(
        flags.json ? JSON.stringify(counts) : `Encrypted anew: ${changed}. They were before: ${unchanged}.`,
      );
      if (lost > 0)
        throw new Error(
          `${lost} keys open under neither master key, such as ${lostNames.join(', ')}: revoke them and make new ones`,
        );
    }),
  );
  const first = [
    'the first key of the guest i1',
    'conductor keys create i1 --config conductor.yaml',
  ] as const;
  withExamples(made, first);
  withExamples(rotated, [
    'a new key; the old one counts for 12 more hours',
    'conductor keys rotate i1 --config conductor.yaml --overlap 12h',
  ]);
  withExamples(revoked, ['refuse all that i1 signs', 'conductor keys revoke i1 --config conductor.yaml']);
  withExamples(listed, ['the keys of i1', 'conductor keys list i1 --config conductor.yaml']);
  withExamples(reencrypted, [
    'after keys.masterKey has a new value, and keys.previousMasterKey the old one',
    'conductor keys reencrypt --config conductor.yaml',
  ]);
  withExamples(keys, first);
}

function configured(parent: Command, name: string, description: string): Command {
  return parent
    .command(name)
    .description(description)
    .requiredOption('--config <file>', 'the configuration; its database and its master key are used')
    .option('--json', 'print JSON', false);
}

function making(parent: Command, name: string, description: string): Command {
  return configured(parent, name, description)
    .argument('<sender>', 'an instance id or the name of a service')
    .option('--valid-for <time>', 'how long the new key is valid, such as 90d; without it: no end', duration)
    .option('--by <name>', 'who makes it', operator());
}

function withKeys(
  line: CommandLine,
  { config }: Flags,
  work: (query: Query, config: Config) => Promise<unknown>,
): Promise<void> {
  return withTable(line, config, 'sender_keys', async (query, loaded) => {
    await work(query, loaded);
  });
}

/** Makes a key, stores it, and prints it as the line of a key file. */
async function create(
  line: CommandLine,
  query: Query,
  { keys }: Config,
  sender: string,
  { by, validFor, json }: MakingFlags,
): Promise<SenderKey> {
  const master = readMasterKey(keys.masterKey);
  if (master === undefined)
    throw new ConfigError(
      'keys.masterKey: is required to make keys: 32 bytes in base64, from openssl rand -base64 32',
      { code: 'master-key' },
    );
  const key = createSenderKey(checkSender(sender));
  if (!(await insertSenderKey(query, { key, master, by, validFor })))
    throw new Error(
      `${sender} has ${mostLive} live keys already: revoke one, or wait until one has ended (conductor keys list ${sender})`,
    );
  const text = senderKeyText(key);
  line.print(json ? JSON.stringify({ sender, keyId: key.keyId, key: text }) : text);
  return key;
}

function tableOf(rows: ReadonlyArray<ListedKey>, isCut: boolean): string {
  if (rows.length === 0) return 'There is no key.';
  const cells = rows.map((row) => [
    row.sender,
    row.keyId,
    row.state,
    row.createdAt.toISOString(),
    row.notAfter?.toISOString() ?? '',
    row.createdBy ?? '',
  ]);
  return tableText(['sender', 'key id', 'state', 'created', 'valid until', 'by'], cells, isCut);
}
