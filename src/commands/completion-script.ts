/** Scripts that complete the command line in a shell. They are made from the definitions of the commands, so no command is forgotten. */
import type { Argument, Command, Option } from 'commander';
import type { Shell } from './shells.ts';

/** The value of an option or an argument: one of these words, a file, or any text. */
type Value = readonly string[] | 'file' | 'text';

interface Word {
  readonly text: string;
  readonly description: string;
}

interface CompletedOption extends Word {
  /** Undefined if the option takes none. */
  readonly value: Value | undefined;
}

/** A command, as a script sees it. */
interface Place {
  /** Such as `conductor dead list`. */
  readonly words: string;
  readonly commands: readonly Word[];
  readonly options: readonly CompletedOption[];
  /** Of the first argument; undefined if the command takes none. */
  readonly argument: Value | undefined;
}

/** The script for a shell. */
export function completionScript(shell: Shell, program: Command): string {
  const places = placesOf(program);
  return { bash: bashScript, zsh: zshScript, fish: fishScript }[shell](places);
}

function placesOf(command: Command, before = ''): Place[] {
  const words = `${before} ${command.name()}`.trim();
  const help = command.createHelp();
  const [argument] = command.registeredArguments;
  const place: Place = {
    words,
    commands: help
      .visibleCommands(command)
      .map((one) => ({ text: one.name(), description: one.description() })),
    options: help.visibleOptions(command).map((one) => ({
      text: one.long ?? one.flags,
      description: one.description,
      value: one.required || one.optional ? completedBy(one, one.flags) : undefined,
    })),
    argument: argument === undefined ? undefined : completedBy(argument, `<${argument.name()}>`),
  };
  return [place, ...command.commands.flatMap((child) => placesOf(child, words))];
}

function completedBy({ argChoices }: Argument | Option, flags: string): Value {
  return argChoices ?? (flags.includes('<file>') ? 'file' : 'text');
}

/** In single quotes. No name or description needs more than this. */
const quoted = (text: string) => `'${text.replaceAll("'", "'\\''")}'`;

/** The words of all commands but the program, as the patterns of a `case`. */
const patterns = (places: readonly Place[]) =>
  places
    .slice(1)
    .map(({ words }) => quoted(words))
    .join('|');

/** The options that take a value, in the form that `render` gives them. */
function valueCases(places: readonly Place[], render: (value: Value) => string): string {
  return places
    .flatMap(({ words, options }) =>
      options.flatMap(({ text, value }) =>
        value === undefined ? [] : [`    ${quoted(`${words} ${text}`)}) ${render(value)}; return ;;`],
      ),
    )
    .join('\n');
}

function bashScript(places: readonly Place[]): string {
  const values = (value: Value) => {
    if (value === 'text') return 'COMPREPLY=()';
    if (value === 'file') return 'COMPREPLY=($(compgen -f -- "$word")); compopt -o filenames 2>/dev/null';
    return `COMPREPLY=($(compgen -W ${quoted(value.join(' '))} -- "$word"))`;
  };
  const words = ({ commands, options, argument }: Place) =>
    [...commands, ...options].map(({ text }) => text).concat(isChoice(argument) ? argument : []);
  return `# bash completion of conductor, made by \`conductor completion bash\`.
_conductor() {
  local word=\${COMP_WORDS[COMP_CWORD]} place=conductor i
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "$place \${COMP_WORDS[i]}" in
      ${patterns(places)}) place="$place \${COMP_WORDS[i]}" ;;
    esac
  done
  case "$place \${COMP_WORDS[COMP_CWORD - 1]}" in
${valueCases(places, values)}
  esac
  case "$place" in
${places
  .map((place) => {
    const lines = [`COMPREPLY=($(compgen -W ${quoted(words(place).join(' '))} -- "$word"))`];
    if (place.argument === 'file') lines.push(`[[ $word == -* ]] || { ${values('file')}; }`);
    return `    ${quoted(place.words)}) ${lines.join('; ')} ;;`;
  })
  .join('\n')}
  esac
}
complete -F _conductor conductor
`;
}

function zshScript(places: readonly Place[]): string {
  const values = (value: Value) => {
    if (value === 'text') return "_message 'a value'";
    return value === 'file' ? '_files' : `compadd -- ${value.map(quoted).join(' ')}`;
  };
  const described = (words: readonly Word[]) =>
    words.map(({ text, description }) => quoted(`${text}:${description.replaceAll(':', '\\:')}`)).join(' ');
  return `#compdef conductor
# zsh completion of conductor, made by \`conductor completion zsh\`.
_conductor() {
  local place=conductor i
  local -a found
  for ((i = 2; i < CURRENT; i++)); do
    case "$place \${words[i]}" in
      ${patterns(places)}) place="$place \${words[i]}" ;;
    esac
  done
  case "$place \${words[CURRENT - 1]}" in
${valueCases(places, values)}
  esac
  case "$place" in
${places
  .map((place) => {
    const lines: string[] = [];
    if (place.commands.length > 0)
      lines.push(`found=(${described(place.commands)}); _describe command found`);
    if (place.argument !== undefined && place.argument !== 'text')
      lines.push(`[[ \${words[CURRENT]} == -* ]] || ${values(place.argument)}`);
    lines.push(`found=(${described(place.options)}); _describe option found`);
    return `    ${quoted(place.words)}) ${lines.join('; ')} ;;`;
  })
  .join('\n')}
  esac
}
if [[ \${funcstack[1]} == _conductor ]]; then _conductor "$@"; else compdef _conductor conductor; fi
`;
}

function fishScript(places: readonly Place[]): string {
  const values = (value: Value) => {
    if (value === 'text') return '-x';
    return value === 'file' ? '-r -F' : `-x -a ${quoted(value.join(' '))}`;
  };
  const lines = places.flatMap(({ words, commands, options, argument }) => {
    const at = `complete -c conductor -n ${quoted(`__conductor_at ${words}`)}`;
    return [
      ...commands.map(({ text, description }) => `${at} -f -a ${text} -d ${quoted(description)}`),
      ...options.map(({ text, description, value }) =>
        [
          `${at} -l ${text.replace(/^--/, '')}`,
          ...(value === undefined ? [] : [values(value)]),
          '-d',
          quoted(description),
        ].join(' '),
      ),
      argument === 'file'
        ? `${at} -F`
        : `${at} -f${isChoice(argument) ? ` -a ${quoted(argument.join(' '))}` : ''}`,
    ];
  });
  return `# fish completion of conductor, made by \`conductor completion fish\`.
function __conductor_at
  set -l place conductor
  for word in (commandline -opc)[2..]
    switch "$place $word"
      case ${places
        .slice(1)
        .map(({ words }) => quoted(words))
        .join(' ')}
        set place "$place $word"
    end
  end
  test "$place" = "$argv"
end
${lines.join('\n')}
`;
}

function isChoice(value: Value | undefined): value is readonly string[] {
  return Array.isArray(value);
}
