import type { Command } from 'commander';
import { RemoteError } from '../client/errors.ts';
import type { CommandLine } from './command-line.ts';
import { withExamples } from './examples.ts';
import { type MessageFlags, messageCommand, withClient } from './sending.ts';

/** `conductor call`. */
export function addCall(program: Command, line: CommandLine): void {
  const command = messageCommand(program, 'call', 'send one message and print the answer as JSON', 30).action(
    async (method: string, { args, timeout, messageId, ...flags }: MessageFlags) => {
      await withClient(line, { args, ...flags }, async (client) => {
        const result = await client
          .call(method, args, { timeout: timeout * 1000, messageId })
          .catch((error: unknown) => {
            throw error instanceof RemoteError ? new Error(inOneLine(error), { cause: error }) : error;
          });
        line.print(JSON.stringify(result ?? null, undefined, 2));
      });
    },
  );
  withExamples(
    command,
    ['does a conductor answer?', 'conductor call ping --config conductor.yaml --sender i1 --timeout 5'],
    [
      'as the service api, which has to be granted it',
      `conductor call model_get --config conductor.yaml --sender api --args '{"model": "instance", "id": "i1"}'`,
    ],
  );
}

function inOneLine({ class: what, message, argument }: RemoteError): string {
  return `${what}: ${message}${argument === undefined ? '' : ` (${argument})`}`;
}
