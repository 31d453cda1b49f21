import { randomUUID } from 'node:crypto';
import type { Command } from 'commander';
import type { Client } from '../client/client.ts';
import { messageOf } from '../core/errors.ts';
import type { CommandLine } from './command-line.ts';
import { withExamples } from './examples.ts';
import { type MessageFlags, messageCommand, withClient } from './sending.ts';

interface CastFlags extends MessageFlags {
  json: boolean;
}

/** `conductor cast`. */
export function addCast(program: Command, line: CommandLine): void {
  const command = messageCommand(program, 'cast', 'send one message; done when the broker has it', 10)
    .option('--json', 'print JSON', false)
    .action(async (method: string, flags: CastFlags) => {
      await withClient(line, flags, async (client) => {
        const messageId = flags.messageId ?? randomUUID();
        const signal = AbortSignal.timeout(flags.timeout * 1000);
        try {
          await client.cast(method, flags.args, { messageId, signal });
        } catch (error) {
          throw error === signal.reason ? notTaken(client, flags.timeout) : error;
        }
        line.print(
          flags.json
            ? JSON.stringify({ method, messageId })
            : `${method} is on the broker, message id ${messageId}`,
        );
      });
    });
  withExamples(command, [
    'a heartbeat of the guest i1',
    `conductor cast heartbeat --config conductor.yaml --sender i1 --args '{"payload": {"service_status": "running"}}'`,
  ]);
}

function notTaken({ lastError }: Client, seconds: number): Error {
  const why = lastError === undefined ? '' : `: ${messageOf(lastError)}`;
  return new Error(`the broker has not taken the message within ${seconds} s${why}`);
}
