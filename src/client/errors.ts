/** The client did not take the cast or call: its buffer is full. Nothing was sent. Try again when some casts or calls have finished. */
export class BufferFull extends Error {
  override readonly name = 'BufferFull';
  readonly code = 'buffer-full';
}

/**
 * No answer came in time. The call may have been executed. A repetition with the same `messageId` gets the first answer and has no second
 * effect.
 */
export class CallTimeout extends Error {
  override readonly name = 'CallTimeout';
  readonly code = 'call-timeout';
  readonly messageId: string;

  constructor(message: string, messageId: string) {
    super(message);
    this.messageId = messageId;
  }
}

/** The answer to a call is an error. */
export class RemoteError extends Error {
  override readonly name = 'RemoteError';
  readonly code = 'remote';
  /** The error's code or class, as in the answer. */
  readonly class: string;
  /** The argument at fault, if there is one. */
  readonly argument: string | undefined;

  constructor(errorClass: string, message: string, argument?: string) {
    super(message);
    this.class = errorClass;
    this.argument = argument;
  }
}
