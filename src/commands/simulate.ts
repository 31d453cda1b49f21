import { type Command, InvalidArgumentError, Option } from 'commander';
import { type CommandLine, seconds } from './command-line.ts';
import { withExamples } from './examples.ts';
import { chooseTransport, type SendFlags, sendingCommand } from './sending.ts';

interface SimulateFlags extends SendFlags {
  guests: number;
  interval: number;
  paced: boolean;
  jitter: number;
  die: number;
  prefix: string;
  connections: number;
  json: boolean;
  for?: number;
}

/** `conductor simulate`. */
export function addSimulate(program: Command, line: CommandLine): void {
  const command = sendingCommand(program, 'simulate', 'a fleet of guests that cast heartbeats')
    .option('--guests <count>', 'how many', whole, 100)
    .option('--interval <seconds>', 'between two heartbeats of a guest', seconds, 60)
    .option('--paced', 'as often as the conductor asks for, instead of --interval', false)
    .option('--jitter <share>', 'how much the interval varies, 0 to 1', share, 0.1)
    .option('--die <share>', 'how many fall silent for good, 0 to 1', share, 0)
    .option('--prefix <text>', 'the beginning of the ids, before the number', 'guest-')
    .option('--connections <count>', 'shared out among the guests', whole, 1)
    .addOption(new Option('--for <seconds>', 'end by itself after so long').argParser(seconds))
    .option('--json', 'print only the summary, as JSON', false)
    .action(async ({ for: duration, json, ...flags }: SimulateFlags) => {
      const { transport, config } = await chooseTransport(line, flags);
      const { simulate, summaryOf } = await import('../client/fleet.ts');
      const { createLogger } = await import('../core/logger.ts');
      const report = await simulate({
        ...flags,
        seconds: duration,
        transport,
        logger: createLogger(config.log.level, line.mask),
        interrupted: line.interruption(),
        print: (text) => (json ? line.progress(text) : line.print(text)),
      });
      line.progress('');
      line.print(line.mask(json ? JSON.stringify(report) : summaryOf(report)));
      const lost = Object.values(report.failed).reduce((sum, count) => sum + count, 0);
      if (lost > 0) throw new Error(`${lost} of ${report.cast} heartbeats did not reach the broker`);
    });
  withExamples(command, [
    '100 guests for a minute; a twentieth of them falls silent',
    'conductor simulate --config conductor.yaml --guests 100 --interval 10 --die 0.05 --for 60',
  ]);
}

function whole(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1)
    throw new InvalidArgumentError('a whole number above 0 is expected');
  return value;
}

function share(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !(value >= 0 && value <= 1))
    throw new InvalidArgumentError('a number from 0 to 1 is expected');
  return value;
}
