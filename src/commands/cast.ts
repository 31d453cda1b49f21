import { randomUUID } from 'node:crypto';
import type { Command } from 'commander';
import type { Client } from '../client/client.ts';
import { messageOf } from '../core/errors.ts';
import type { CommandLine } from './command-line.ts';
import { type MessageFlags, messageCommand, withClient } from './sending.ts';

/** `conductor cast`. */
export function addCast(program: Command, line: CommandLine): void {
  messageCommand(program, 'cast', 'send one message; done when the broker has it', 10).action(
    async (method: string, flags: MessageFlags) => {
      await withClient(line, flags, async (client) => {
        const messageId = flags.messageId ?? randomUUID();
        const signal = AbortSignal.timeout(flags.timeout * 1000);
        try {
          await client.cast(method, flags.args, { messageId, signal });
        } catch (error) {
          throw error === signal.reason ? notTaken(client, flags.timeout) : error;
        }
        line.print(`${method} is on the broker, message id ${messageId}`);
      });
    },
  );
}

function notTaken({ lastError }: Client, seconds: number): Error {
  const why = lastError === undefined ? '' : `: ${messageOf(lastError)}`;
  return new Error(`the broker has not taken the message within ${seconds} s${why}`);
}
