import { Argument, type Command } from 'commander';
import type { CommandLine } from './command-line.ts';
import { withExamples } from './examples.ts';
import { type Shell, shells } from './shells.ts';

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
