import { type Command, Option } from 'commander';
import type { CommandLine } from './command-line.ts';
import { withExamples } from './examples.ts';

interface MigrateFlags {
  config: string;
  dryRun: boolean;
  rollback: boolean;
  removeDuplicates: boolean;
  grantTo?: string;
  json: boolean;
}

/** `conductor migrate`. */
export function addMigrate(program: Command, line: CommandLine): void {
  const command = program
    .command('migrate')
    .description('create or upgrade the tables')
    .requiredOption('--config <file>', 'the configuration')
    .option('--dry-run', 'only print the changes', false)
    .option('--rollback', 'remove the tables and columns that were added', false)
    .option('--remove-duplicates', 'of several statuses of one instance keep the newest only', false)
    .addOption(
      new Option('--grant-to <role>', 'grant this role what conductor start needs, and no more').conflicts(
        'rollback',
      ),
    )
    .option('--json', 'print only what was done, as JSON', false)
    .action(async ({ config: file, json, ...flags }: MigrateFlags) => {
      const { database, jobs, access } = await line.load(file);
      const { url, passwordFile } = database;
      const { migrate } = await import('../database/migrate.ts');
      const done = await migrate({
        url,
        passwordFile,
        jobsSchema: jobs.schema,
        access,
        ...flags,
        log: (text) => (json ? line.progress(line.mask(text)) : line.print(line.mask(text))),
      });
      line.progress('');
      if (json) line.print(line.mask(JSON.stringify(done)));
    });
  withExamples(
    command,
    ['what it would change', 'conductor migrate --config conductor.yaml --dry-run'],
    ['before the first start, and after an upgrade', 'conductor migrate --config conductor.yaml'],
    [
      'as the owner: the user of the replicas gets the rights that they need, and no more',
      'conductor migrate --config owner.yaml --grant-to conductor_replica',
    ],
    ['back to Trove: stop all replicas first', 'conductor migrate --config conductor.yaml --rollback'],
  );
}
