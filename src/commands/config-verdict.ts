import { type Config, differences } from '../core/config/load.ts';
import { warningsOf } from '../core/config/warnings.ts';
import { shellWord } from './shell-word.ts';

/** Characters of a value. The settings above have the whole one. */
const mostShown = 80;

/**
 * What `check-config` says of a configuration that has passed: the settings that are not the defaults, its warnings, and what is left to
 * check. Each line is a comment, so that the output stays YAML, and the last lines of a terminal have the result.
 */
export function verdictOn(config: Config, file: string): string {
  const differing = differences(config).map(([key, value]) => `  ${key}: ${shown(value)}`);
  const warnings = config.transports.flatMap((transport) =>
    warningsOf(transport, config).map((text) => `warning: transports.${transport.name}: ${text}`),
  );
  const hasTransport = config.transports.length > 0;
  return (
    [
      'Not the defaults, from the file or the environment:',
      ...differing,
      '',
      ...warnings,
      `${file} is right${hasTransport ? '.' : ', but names no transport: conductor start needs one.'}`,
      `This connects to nothing. To try the connections: conductor doctor ${shellWord(file)}`,
    ]
      // A name from the file may have a line break, which would end the comment.
      .map((text) => `# ${text.replaceAll(/[\r\n]+/g, ' ')}`.trimEnd())
      .join('\n')
  );
}

/** In one line: a comment ends with its line. */
function shown(value: unknown): string {
  const text = typeof value === 'string' && /^[^\s"#]+$/.test(value) ? value : JSON.stringify(value);
  return text.length > mostShown ? `${text.slice(0, mostShown)}...` : text;
}
