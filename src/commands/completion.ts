import { Argument, type Command } from 'commander';
import type { CommandLine } from './command-line.ts';
import { withExamples } from './examples.ts';

/** The shells that `conductor completion` knows. */
export const shells = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof shells)[number];

/** `conductor completion`. */
export function addCompletion(program: Command, line: CommandLine): void {
  const command = program
    .command('completion')
    .description('print a script that completes commands and options in a shell')
    .addArgument(new Argument('<shell>', 'the shell').choices(shells))
    .action(async (shell: Shell) => {
      const { completionScript } = await import('./completion-script.ts');
      line.print(completionScript(shell, program));
    });
  withExamples(
    command,
    ['bash: for this shell; put it into ~/.bashrc for all', 'source <(conductor completion bash)'],
    ['zsh: as a file in a folder of $fpath', 'conductor completion zsh > ~/.zfunc/_conductor'],
    ['fish', 'conductor completion fish > ~/.config/fish/completions/conductor.fish'],
  );
}
