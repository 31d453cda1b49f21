import type { Command } from 'commander';

/**
 * Ends the help of a command with examples.
 *
 * @param examples each a whole command line with a comment that says what it does. A test parses each.
 */
export function withExamples(
  command: Command,
  ...examples: ReadonlyArray<readonly [comment: string, line: string]>
): Command {
  const text = examples.map(([comment, line]) => `  # ${comment}\n  ${line}`).join('\n');
  return command.addHelpText('after', `\nExamples:\n${text}`);
}
